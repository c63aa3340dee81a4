"""What lets an automation act alone: risks that are stated with a confidence, and the gates that keep them. Pure."""
