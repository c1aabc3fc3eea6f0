//! Random expressions of the language, mostly of fitting types, so that most of
//! them have a value.

/// A generator of pseudo-random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    /// Numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// A number below a limit; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// What an expression should evaluate to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Float,
    Bool,
    String,
    Null,
    List,
    Set,
    /// Of one argument, for a type, to a type.
    Function,
    /// A regular expression.
    Pattern,
    /// A list of strings.
    Texts,
    /// A list of sets that have `name` and `value`.
    Pairs,
    /// A hash algorithm's name.
    Algorithm,
    /// A function of two arguments that orders them.
    Order,
    /// A function of two sets.
    Update,
    /// A function of two numbers.
    Sum,
}

use Type::{
    Algorithm, Bool, Float, Function, Int, List, Null, Order, Pairs, Pattern, Set, String as Text, Sum,
    Texts, Update,
};

const ALL: [Type; 8] = [Int, Float, Bool, Text, Null, List, Set, Function];
const NAMES: [&str; 6] = ["a", "b", "c", "foo", "x'", "or"];

/// Builtins: the result, the name, the arguments.
const BUILTINS: &[(Type, &str, &[Type])] = &[
    (Int, "length", &[List]),
    (Int, "stringLength", &[Text]),
    (Int, "add", &[Int, Int]),
    (Int, "sub", &[Int, Int]),
    (Int, "mul", &[Int, Int]),
    (Int, "div", &[Int, Int]),
    (Int, "bitAnd", &[Int, Int]),
    (Int, "bitXor", &[Int, Int]),
    (Int, "floor", &[Float]),
    (Int, "ceil", &[Float]),
    (Int, "compareVersions", &[Text, Text]),
    (Bool, "isInt", &[Int]),
    (Bool, "isList", &[Set]),
    (Bool, "isFunction", &[Function]),
    (Bool, "elem", &[Int, List]),
    (Bool, "hasAttr", &[Text, Set]),
    (Bool, "lessThan", &[Int, Int]),
    (Bool, "lessThan", &[Text, Text]),
    (Text, "typeOf", &[List]),
    (Text, "toString", &[Int]),
    (Text, "toString", &[List]),
    (Text, "substring", &[Int, Int, Text]),
    (Text, "concatStringsSep", &[Text, List]),
    (Text, "toJSON", &[Set]),
    (Text, "toJSON", &[Float]),
    (Text, "baseNameOf", &[Text]),
    (Text, "dirOf", &[Text]),
    (Text, "toXML", &[List]),
    (Text, "toString", &[Float]),
    (Text, "toString", &[Set]),
    (Text, "toJSON", &[Text]),
    (Text, "hashString", &[Algorithm, Text]),
    (Text, "replaceStrings", &[Texts, Texts, Text]),
    (Text, "concatStringsSep", &[Text, Texts]),
    (Text, "unsafeDiscardStringContext", &[Text]),
    (Text, "placeholder", &[Text]),
    (Text, "head", &[Texts]),
    (List, "match", &[Pattern, Text]),
    (List, "split", &[Pattern, Text]),
    (List, "sort", &[Order, Texts]),
    (List, "sort", &[Order, List]),
    (List, "concatMap", &[Function, List]),
    (List, "map", &[Function, Texts]),
    (Set, "listToAttrs", &[Pairs]),
    (Set, "zipAttrsWith", &[Function, Pairs]),
    (Set, "genericClosure", &[Set]),
    (Set, "getContext", &[Text]),
    (Set, "fromTOML", &[Text]),
    (Set, "foldl'", &[Update, Set, Pairs]),
    (Int, "foldl'", &[Sum, Int, List]),
    (Int, "bitOr", &[Int, Int]),
    (Int, "fromJSON", &[Text]),
    (Float, "fromJSON", &[Text]),
    (Bool, "all", &[Function, List]),
    (Bool, "any", &[Function, List]),
    (Bool, "hasContext", &[Text]),
    (Bool, "isAttrs", &[Set]),
    (Bool, "isPath", &[Text]),
    (List, "tail", &[List]),
    (List, "attrNames", &[Set]),
    (List, "attrValues", &[Set]),
    (List, "map", &[Function, List]),
    (List, "filter", &[Function, List]),
    (List, "concatLists", &[List]),
    (List, "genList", &[Function, Int]),
    (List, "sort", &[Function, List]),
    (List, "splitVersion", &[Text]),
    (List, "catAttrs", &[Text, List]),
    (Set, "intersectAttrs", &[Set, Set]),
    (Set, "removeAttrs", &[Set, List]),
    (Set, "mapAttrs", &[Function, Set]),
    (Set, "parseDrvName", &[Text]),
    (Set, "partition", &[Function, List]),
    (Set, "groupBy", &[Function, List]),
    (Set, "tryEval", &[Int]),
    (Set, "tryEval", &[Set]),
    (Set, "functionArgs", &[Function]),
];

/// Makes expressions.
pub struct Generator {
    random: Random,
    /// Variables in scope.
    variables: Vec<(String, Type)>,
}

impl Generator {
    /// Makes what follows from the numbers.
    pub fn new(random: Random) -> Self {
        Self { random, variables: Vec::new() }
    }

    /// An expression without free variables.
    pub fn expression(&mut self) -> String {
        let wanted = self.random.pick(&ALL);
        self.make(wanted, 5)
    }

    fn any(&mut self, depth: usize) -> String {
        let wanted = self.random.pick(&ALL);
        self.make(wanted, depth)
    }

    /// An expression of a type, most of the time.
    fn make(&mut self, wanted: Type, depth: usize) -> String {
        let wanted = if self.random.below(60) == 0 { self.random.pick(&ALL) } else { wanted };
        let known: Vec<String> =
            self.variables.iter().filter(|v| v.1 == wanted).map(|v| v.0.clone()).collect();
        if !known.is_empty() && self.random.below(3) == 0 {
            return known[self.random.below(known.len())].clone();
        }
        if depth == 0 {
            return self.leaf(wanted);
        }
        match self.random.below(12) {
            0 | 1 => self.control(wanted, depth - 1),
            2 | 3 => self.call(wanted, depth - 1),
            4 => self.leaf(wanted),
            _ => self.operator(wanted, depth - 1),
        }
    }

    fn leaf(&mut self, wanted: Type) -> String {
        const INTS: [&str; 9] = [
            "0",
            "1",
            "2",
            "7",
            "(-1)",
            "42",
            "9223372036854775807",
            "(-9223372036854775807 - 1)",
            "1000000",
        ];
        const FLOATS: [&str; 12] = [
            "0.5",
            "1.0",
            "(-2.25)",
            "1.0e10",
            "1.5e-7",
            "3.14159",
            "100000.0",
            "1.0e300",
            "0.1",
            "1.0e-300",
            "123456.789",
            "(-0.0)",
        ];
        const PATTERNS: [&str; 13] = [
            "\"\"",
            "\"a\"",
            "\"(a|b)*\"",
            "\"[a-z]+\"",
            "\"([^/]*)/(.*)\"",
            "\"(o?)(o)\"",
            "\"[[:space:]]+\"",
            "\"(x)|(f)\"",
            "\"[.]\"",
            "\"(.{2})*\"",
            "\"((a)|b)+\"",
            "\"^.*$\"",
            "\"a{1,3}b?\"",
        ];
        const TEXTS: [&str; 19] = [
            "\"1\"",
            "\"[ 1, 2.5, null ]\"",
            "\"a = 1\\nb.c = [ 2 ]\"",
            "\"${builtins.toFile \"n\" \"t\"}\"",
            "\"abab.foo/oo x\"",
            "\"2.0pre-1\"",
            "(builtins.substring 1 2 \"foo\")",
            "\"\"",
            "\"a\"",
            "\"b\"",
            "\"foo\"",
            "\"1.2.3-rc1\"",
            "\"a/b\"",
            "\"\\n\\\"\\\\\"",
            "\"\\${x}\"",
            "\"ä€\"",
            "''\n  two\n    lines\n''",
            "\"/x/y\"",
            "http://a.b/c",
        ];
        let text = match wanted {
            Int => self.random.pick(&INTS),
            Float => self.random.pick(&FLOATS),
            Bool => self.random.pick(&["true", "false"]),
            Text => self.random.pick(&TEXTS),
            Null => "null",
            List => self.random.pick(&["[ ]", "[ 1 2 ]", "[ \"a\" \"b\" ]", "[ { a = 1; } ]"]),
            Set => self.random.pick(&["{ }", "{ a = 1; }", "{ a = { b = 2; }; c = \"x\"; }"]),
            Function => {
                self.random.pick(&["(x: x)", "(x: true)", "(x: y: x)", "(x: \"k\")", "builtins.isInt"])
            }
            Pattern => self.random.pick(&PATTERNS),
            Texts => self.random.pick(&[
                "[ ]",
                "[ \"a\" ]",
                "[ \"b\" \"a\" ]",
                "[ \"\" \"foo\" ]",
                "[ \"1.2\" \"x/y\" ]",
            ]),
            Pairs => self.random.pick(&[
                "[ ]",
                "[ { name = \"a\"; value = 1; } ]",
                "[ { name = \"b\"; value = [ ]; } { name = \"b\"; value = 2; } ]",
            ]),
            Algorithm => self.random.pick(&["\"md5\"", "\"sha1\"", "\"sha256\"", "\"sha512\""]),
            Order => {
                self.random.pick(&["builtins.lessThan", "(x: y: x < y)", "(x: y: x > y)", "(x: y: false)"])
            }
            Update => self.random.pick(&["(x: y: x // y)", "(x: y: y // x)"]),
            Sum => self.random.pick(&["builtins.add", "(x: y: x - y)", "(x: y: y)"]),
        };
        text.to_owned()
    }

    /// `let`, `with`, `if`, `assert`, calls of lambdas, selections.
    fn control(&mut self, wanted: Type, depth: usize) -> String {
        let name = self.random.pick(&NAMES[..5]).to_owned();
        let kind = self.random.pick(&ALL);
        match self.random.below(15) {
            9 => {
                let (value, other) = (self.make(wanted, depth), self.make(Set, depth));
                format!("(with {other}; with {{ {name} = {value}; }}; {name})")
            }
            10 => {
                let value = self.make(wanted, depth);
                format!("(let set = {{ {name} = {value}; }}; inherit (set) {name}; in {name})")
            }
            11 => {
                let body = self.within(&name, kind, wanted, depth);
                let bound = self.make(kind, depth);
                format!("({{ __functor = self: {name}: {body}; }} {bound})")
            }
            12 => {
                let value = self.make(wanted, depth);
                format!("(rec {{ {name} = null; r = {name}; __overrides = {{ {name} = {value}; }}; }}.r)")
            }
            13 => {
                let value = self.make(wanted, depth);
                format!("({{ x = {{ q = 1; }}; x.${{\"{name}\"}} = {value}; }}.x.{name})")
            }
            14 => {
                let (value, other) = (self.make(wanted, depth), self.make(wanted, depth));
                format!("(({{ {name} ? {value}, ... }}@all: all.{name} or {name}) {{ q = {other}; }})")
            }
            0 => {
                let bound = self.make(kind, depth);
                let body = self.within(&name, kind, wanted, depth);
                format!("(let {name} = {bound}; in {body})")
            }
            1 => {
                let body = self.within(&name, kind, wanted, depth);
                let bound = self.make(kind, depth);
                format!("(({name}: {body}) {bound})")
            }
            2 => {
                let body = self.within(&name, kind, wanted, depth);
                let (bound, default) = (self.make(kind, depth), self.make(kind, depth));
                let given =
                    if self.random.below(2) == 0 { format!("{name} = {bound}; ") } else { String::new() };
                let ellipsis = self.random.pick(&["", ", ..."]);
                format!("(({{ {name} ? {default}{ellipsis} }}: {body}) {{ {given}}})")
            }
            3 => {
                let (test, yes, no) =
                    (self.make(Bool, depth), self.make(wanted, depth), self.make(wanted, depth));
                format!("(if {test} then {yes} else {no})")
            }
            4 => {
                let (test, body) = (self.make(Bool, depth), self.make(wanted, depth));
                format!("(assert {test}; {body})")
            }
            5 => {
                let bound = self.make(kind, depth);
                let body = self.within(&name, kind, wanted, depth);
                format!("(with {{ {name} = {bound}; }}; {body})")
            }
            6 => {
                let (value, other) = (self.make(wanted, depth), self.make(wanted, depth));
                format!("({{ {name} = {value}; }}.{name} or {other})")
            }
            7 => {
                let (set, other) = (self.make(Set, depth), self.make(wanted, depth));
                format!("(({set}).{name}.b or {other})")
            }
            _ => {
                let (value, tail) = (self.make(wanted, depth), self.make(List, depth));
                format!("(builtins.head ([ {value} ] ++ {tail}))")
            }
        }
    }

    fn within(&mut self, name: &str, kind: Type, wanted: Type, depth: usize) -> String {
        self.variables.push((name.to_owned(), kind));
        let body = self.make(wanted, depth);
        self.variables.pop();
        body
    }

    fn call(&mut self, wanted: Type, depth: usize) -> String {
        let fitting: Vec<_> = BUILTINS.iter().filter(|builtin| builtin.0 == wanted).collect();
        if fitting.is_empty() {
            return self.operator(wanted, depth);
        }
        let (_, name, types) = fitting[self.random.below(fitting.len())];
        let arguments: Vec<String> =
            types.iter().map(|kind| format!("({})", self.make(*kind, depth))).collect();
        format!("(builtins.{name} {})", arguments.join(" "))
    }

    fn binary(&mut self, kinds: [Type; 2], operators: &[&str], depth: usize) -> String {
        let (left, right) = (self.make(kinds[0], depth), self.make(kinds[1], depth));
        format!("({left} {} {right})", self.random.pick(operators))
    }

    fn operator(&mut self, wanted: Type, depth: usize) -> String {
        match wanted {
            Int => self.binary([Int, Int], &["+", "-", "*", "/"], depth),
            Float => {
                let kinds = self.random.pick(&[[Int, Float], [Float, Int], [Float, Float]]);
                self.binary(kinds, &["+", "-", "*", "/"], depth)
            }
            Bool => self.boolean(depth),
            Text => match self.random.below(5) {
                3 => format!("(toString {{ __toString = self: {}; }})", self.make(Text, depth)),
                4 => format!("(toString (/a + {}))", self.make(Text, depth)),
                0 => self.binary([Text, Text], &["+"], depth),
                1 => {
                    let (first, second) = (self.make(Text, depth), self.make(Text, depth));
                    format!("\"<${{{first}}}-${{{second}}}>\"")
                }
                _ => format!("''\n  x ${{{}}}\n   y\n''", self.make(Text, depth)),
            },
            Null => "null".to_owned(),
            Pattern | Algorithm | Order | Update | Sum => self.leaf(wanted),
            Texts => {
                let count = self.random.below(4);
                let items: Vec<String> =
                    (0..count).map(|_| format!("({})", self.make(Text, depth))).collect();
                format!("[ {} ]", items.join(" "))
            }
            Pairs => {
                let count = self.random.below(3);
                let mut pair = || {
                    let (name, value) = (self.make(Text, depth), self.any(depth));
                    format!("{{ name = {name}; value = {value}; }}")
                };
                let items: Vec<String> = (0..count).map(|_| pair()).collect();
                format!("[ {} ]", items.join(" "))
            }
            List => match self.random.below(3) {
                0 => self.binary([List, List], &["++"], depth),
                _ => {
                    let count = self.random.below(4);
                    let items: Vec<String> = (0..count).map(|_| format!("({})", self.any(depth))).collect();
                    format!("[ {} ]", items.join(" "))
                }
            },
            Set => match self.random.below(3) {
                0 => self.binary([Set, Set], &["//"], depth),
                _ => self.set(depth),
            },
            Function => {
                let name = self.random.pick(&NAMES[..5]).to_owned();
                let (kind, result) = (self.random.pick(&ALL), self.random.pick(&ALL));
                format!("({name}: {})", self.within(&name, kind, result, depth))
            }
        }
    }

    fn boolean(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 => self.binary([Bool, Bool], &["&&", "||", "->"], depth),
            1 => {
                let kind = self.random.pick(&[Int, Text, List, Float]);
                self.binary([kind, kind], &["<", "<=", ">", ">="], depth)
            }
            2 | 3 => {
                let kind = self.random.pick(&ALL);
                self.binary([kind, kind], &["==", "!="], depth)
            }
            4 => format!("(!{})", self.make(Bool, depth)),
            _ => format!("(({}) ? {}.a)", self.make(Set, depth), self.random.pick(&NAMES)),
        }
    }

    fn set(&mut self, depth: usize) -> String {
        let mut text = self.random.pick(&["{ ", "rec { "]).to_owned();
        let mut names = NAMES.to_vec();
        for _ in 0..self.random.below(4) {
            let name = names.swap_remove(self.random.below(names.len()));
            let value = self.any(depth);
            text += &match self.random.below(5) {
                0 => format!("\"{name}\" = {value}; "),
                1 => format!("${{\"{name}\"}} = {value}; "),
                2 => format!("{name}.b = {value}; "),
                _ => format!("{name} = {value}; "),
            };
        }
        text + "}"
    }
}
