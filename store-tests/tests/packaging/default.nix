# The reference implementation of versions, markers and tags, for the test beside it.
(import <clutch>).python.environment {
  name = "packaging";
  lock = ./clutch.lock;
}
