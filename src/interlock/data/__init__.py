"""What tasks work on: files and what is inside them. Nothing here decides or records anything."""
