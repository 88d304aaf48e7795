"""What each mention of a question does in it: what is asked for, counted, compared, grouped by, ordered by, denied."""
