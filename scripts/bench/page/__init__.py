"""What is read, kept and written: figures, their page, its pictures, and what is promised of them."""
