"""What automations are written with: deterministic and engine-neutral."""
