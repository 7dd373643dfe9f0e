"""What the study of accuracy is made of: its runs, its tables, its pictures."""
