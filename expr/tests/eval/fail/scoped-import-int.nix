scopedImport 1 /nonexistent
