"""The one door: every effect passes `perform`, which asks the policy, executes, meters and records before it releases."""
