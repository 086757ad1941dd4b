abort "now"
