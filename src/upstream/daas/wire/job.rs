use jiff::Timestamp;
use serde::Deserialize;

use crate::upstream::lenient;

/// Work that goes on after its request was answered.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct Job {
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) id: Option<String>,
    #[serde(rename = "Type", deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) kind: Option<String>,
    #[serde(deserialize_with = "lenient::time")]
    pub(in crate::upstream::daas) formatted_creation_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::objects")]
    pub(in crate::upstream::daas) parameters: Vec<Parameter>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) status: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) error_code: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) error_string: Option<String>,
    #[serde(deserialize_with = "lenient::objects")]
    pub(in crate::upstream::daas) error_parameters: Vec<Parameter>,
    #[serde(deserialize_with = "lenient::objects")]
    pub(in crate::upstream::daas) sub_jobs: Vec<SubJob>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct SubJob {
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) error_code: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) error_string: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct Parameter {
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(in crate::upstream::daas) value: Option<String>,
}
