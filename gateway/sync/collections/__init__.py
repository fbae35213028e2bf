"""What the indexes of calendars and of address books share: the pass, the commit, the way into the store."""
