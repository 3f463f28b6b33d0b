"""What a finished report has, for those who need not know how it is made."""

FILES = ("index.html",)  # written last: with it, the others are there
