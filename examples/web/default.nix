# A web application with a console script: `clutch run examples/web` serves it,
# `clutch run examples/web -- web --check` starts it, asks it three things and ends.
let
  clutch = import <clutch>;

  application = clutch.python.package {
    name = "web";
    version = "1.0";
    source = ./source;
    scripts.web = "web:main";
    requires = [ "flask >= 3" ];
  };
in
clutch.python.environment {
  name = "web-environment";
  lock = ./clutch.lock;
  distributions = [ application ];
  mainProgram = "web";
}
