builtins.hashFile "md5" /nonexistent/file
