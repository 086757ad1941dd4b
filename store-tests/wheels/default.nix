# Every wheel here has native code of its own; the tests import each in an empty root.
let
  clutch = import <clutch>;
in
clutch.python.environment {
  name = "wheels";
  lock = ./clutch.lock;
}
