//! Attributes of inputs: what `fetchTree` takes and lock files hold.

use std::collections::BTreeMap;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A string.
    String(String),
    /// An integer; never negative.
    Int(u64),
    /// A boolean.
    Bool(bool),
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl Attribute {
    /// The attribute as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::String(text) => text.as_str().into(),
            Self::Int(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
        }
    }

    /// An attribute from JSON: a string, a boolean, or a number that is not negative.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::String(text) => Some(Self::String(text.clone())),
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::Number(number) => number.as_u64().map(Self::Int),
            _ => None,
        }
    }

    /// As a parameter of a URL.
    pub fn to_parameter(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            Self::Int(number) => number.to_string(),
            Self::Bool(value) => if *value { "1" } else { "0" }.to_owned(),
        }
    }
}

/// The attributes as a JSON object.
pub fn to_json(attributes: &Attributes) -> serde_json::Value {
    let object = attributes.iter().map(|(name, value)| (name.clone(), value.to_json()));
    serde_json::Value::Object(object.collect())
}

/// Attributes from a JSON object; the error is the name of one that can't be.
pub fn from_json(object: &serde_json::Map<String, serde_json::Value>) -> Result<Attributes, String> {
    let attribute = |(name, value): (&String, &serde_json::Value)| {
        Attribute::from_json(value).map(|value| (name.clone(), value)).ok_or_else(|| name.clone())
    };
    object.iter().map(attribute).collect()
}
