"""The demo site: the only place where rooms, persistence and authbridge meet."""
