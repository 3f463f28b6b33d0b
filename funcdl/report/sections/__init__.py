"""What a report says beside its main table: one file per subject, each giving `Section`s."""
