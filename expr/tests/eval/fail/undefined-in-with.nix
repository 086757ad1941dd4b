let s = { maintainers = 1; }; in with s; maintianers
