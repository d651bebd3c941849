// The console's scripts, loaded as modules; every page works without them but for live refresh.
