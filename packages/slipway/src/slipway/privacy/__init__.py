"""Privacy: erase the records of one subject, and remove old files of the prediction log."""
