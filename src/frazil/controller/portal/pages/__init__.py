"""The portal's pages: signing in, one's desktops, waiting for one and using it, one's account."""
