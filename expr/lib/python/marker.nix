# Environment markers (PEP 508): whether a locked package is wanted for an interpreter.
#
#   marker : { python_version = "3.11"; ... } -> 'python_version >= "3.12"' -> false
environment: text:
let
  inherit (builtins)
    compareVersions elemAt filter head isList length match split stringLength substring tail;

  fail = problem: throw "marker '${text}': ${problem}";

  # Quoted texts, parentheses, comparisons and words.
  tokens = filter (token: token != null && match "[[:space:]]*" token == null) (
    builtins.concatMap
      (part: if isList part then [ (head part) ] else [ part ])
      (split "(\"[^\"]*\"|'[^']*'|[()]|[<>=!~]+|[A-Za-z_.]+)" text)
  );

  # Each rule takes the tokens that are left and gives its value and what is left then.
  sequence = word: operand: join: rest:
    let
      continue = state:
        if state.rest != [ ] && head state.rest == word then
          let next = operand (tail state.rest);
          in continue { value = join state.value next.value; inherit (next) rest; }
        else state;
    in
    continue (operand rest);

  disjunction = sequence "or" conjunction (a: b: a || b);
  conjunction = sequence "and" atom (a: b: a && b);

  atom = rest:
    if rest == [ ] then fail "it ends too early"
    else if head rest == "(" then
      let inner = disjunction (tail rest);
      in
      if inner.rest != [ ] && head inner.rest == ")"
      then { inherit (inner) value; rest = tail inner.rest; }
      else fail "a parenthesis is not closed"
    else comparison rest;

  comparison = rest:
    let
      negated = length rest >= 4 && elemAt rest 1 == "not" && elemAt rest 2 == "in";
      operator = if negated then "not in" else elemAt rest 1;
      right = elemAt rest (if negated then 3 else 2);
      used = if negated then 4 else 3;
    in
    if length rest < 3 then fail "it ends too early"
    else {
      value = compare (operand (head rest)) operator (operand right);
      rest = drop used rest;
    };

  operand = token:
    let quoted = match "[\"'](.*)[\"']" token;
    in
    if quoted != null then { version = false; value = head quoted; }
    else {
      version = token == "python_version" || token == "python_full_version"
        || token == "implementation_version";
      value = environment.${token} or (fail "'${token}' is not a variable");
    };

  # Versions compare as versions where a variable holds one, all else as text.
  compare = left: operator: right:
    let
      versions = left.version || right.version;
      order = compareVersions left.value right.value;
      equal =
        if !versions then left.value == right.value
        else if wildcard != null then hasPrefix "${wildcard}." "${left.value}."
        else release left.value == release right.value;
      wildcard = let found = match "(.*)\\.\\*" right.value; in if found == null then null else head found;
      # ~= 3.8.1 is >= 3.8.1 and == 3.8.*
      compatible = match "(.*)\\.[0-9]+" right.value;
    in
    if operator == "==" then equal
    else if operator == "!=" then !equal
    else if operator == "===" then left.value == right.value
    else if operator == "in" then contains left.value right.value
    else if operator == "not in" then !(contains left.value right.value)
    else if !versions && operator != "~=" then
      {
        "<" = left.value < right.value;
        "<=" = left.value <= right.value;
        ">" = left.value > right.value;
        ">=" = left.value >= right.value;
      }.${operator} or (fail "'${operator}' is not a comparison")
    else
      {
        "<" = order < 0 && !equal;
        "<=" = order < 0 || equal;
        ">" = order > 0 && !equal;
        ">=" = order > 0 || equal;
        "~=" = (order > 0 || equal) && compatible != null
          && hasPrefix "${head compatible}." "${left.value}.";
      }.${operator} or (fail "'${operator}' is not a comparison");

  # 3.11.0 and 3.11 are one version.
  release = version:
    let shorter = match "(.*)\\.0+" version;
    in if shorter == null then version else release (head shorter);

  hasPrefix = prefix: string: substring 0 (stringLength prefix) string == prefix;
  contains = part: whole:
    builtins.any (at: substring at (stringLength part) whole == part)
      (builtins.genList (at: at) (stringLength whole + 1));
  drop = count: list: builtins.genList (at: elemAt list (at + count)) (length list - count);

  result = disjunction tokens;
in
if result.rest == [ ] then result.value
else fail "'${toString (head result.rest)}' is not expected"
