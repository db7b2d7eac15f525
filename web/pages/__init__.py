"""The pages, a file each: what is asked, the view that answers, the template that shows it."""
