fromJson "1"
