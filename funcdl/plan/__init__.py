"""What a study will do: which runs, which programs they share, and what follows from what."""
