# Environment markers (PEP 508): whether a locked package is wanted for an interpreter.
#
#   marker : { python_version = "3.11"; ... } -> 'python_version >= "3.12"' -> false
environment: text:
let
  inherit (builtins)
    compareVersions elemAt filter head isList length match replaceStrings seq split stringLength
    substring;

  shown = if stringLength text > 200 then "${substring 0 200 text}..." else text;
  fail = problem: throw "marker '${shown}': ${problem}";

  # Quoted texts, parentheses, comparisons and words.
  tokens = filter (token: token != null && match "[[:space:]]*" token == null) (
    builtins.concatMap
      (part: if isList part then [ (head part) ] else [ part ])
      (split "(\"[^\"]*\"|'[^']*'|[()]|[<>=!~]+|[A-Za-z_.]+)" text)
  );

  count = length tokens;
  is = token: at: at < count && elemAt tokens at == token;

  # Each rule takes the place of its first token, and gives its value and the place behind it.
  sequence = word: operand: join: start:
    let
      continue = state:
        if is word state.end then
          let
            next = operand (state.end + 1);
            value = join state.value next.value;
          in
          seq value (continue { inherit value; inherit (next) end; })
        else state;
    in
    continue (operand start);

  disjunction = sequence "or" conjunction (a: b: a || b);
  conjunction = sequence "and" atom (a: b: a && b);

  atom = start:
    if start >= count then fail "it ends too early"
    else if is "(" start then
      let inner = disjunction (start + 1);
      in
      if is ")" inner.end then { inherit (inner) value; end = inner.end + 1; }
      else fail "a parenthesis is not closed"
    else comparison start;

  comparison = start:
    let
      negated = is "not" (start + 1) && is "in" (start + 2);
      operator = if negated then "not in" else elemAt tokens (start + 1);
      right = start + (if negated then 3 else 2);
    in
    if right >= count then fail "it ends too early"
    else {
      value = compare (operand (elemAt tokens start)) operator (operand (elemAt tokens right));
      end = right + 1;
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
    in
    if stringLength version > 100 then fail "its version is too long"
    else if shorter == null then version
    else release (head shorter);

  hasPrefix = prefix: string: substring 0 (stringLength prefix) string == prefix;
  contains = part: whole: part == "" || replaceStrings [ part ] [ "" ] whole != whole;

  result = disjunction 0;
in
# far more than any has, and no more than can be followed
if stringLength text > 65536 || count > 5000 then fail "it is too long"
else if result.end == count then result.value
else fail "'${elemAt tokens result.end}' is not expected"
