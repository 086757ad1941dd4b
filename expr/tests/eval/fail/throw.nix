throw "now"
