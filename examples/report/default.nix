# A report that pandas computes from the CSV file beside this expression: clutch run examples/report
let
  clutch = import <clutch>;
in
clutch.python.program {
  name = "report";
  environment = clutch.python.environment {
    name = "report-environment";
    lock = ./clutch.lock;
  };
  script = ./report.py;
  args = [ ./sales.csv ];
}
