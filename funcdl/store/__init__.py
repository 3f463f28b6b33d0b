"""What is on disk: a folder per study that its owner can copy, and read without funcdl."""
