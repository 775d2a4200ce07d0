//! The file that people come in: JSON lines, CSV, or an SQLite database. Which one it is, it says
//! itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use countersign_core::import::Row;
use countersign_store::source::Source;
use countersign_token::json::check_object;
use serde_json::{Map, Value as Json};

use super::fields::{Field, Ignored, Told, Value, put};
use crate::cli::Failure;

/// The longest line of JSON, and about the longest row of CSV.
const MAX_LINE: usize = 64 * 1024;

/// A row with its line, or its number in an SQLite table; or why it cannot be read.
pub(super) type Numbered = (i64, Result<Row, String>);

/// An open file, read from its beginning to its end.
pub(super) struct People {
    form: Form,
    told: Told,
    /// How far it has been read, and how long it is: bytes, or rows of a table.
    pub(super) read: u64,
    pub(super) length: u64,
    pub(super) ignored: Ignored,
    /// Why it cannot be read on, told after the rows before.
    broken: Option<Failure>,
}

enum Form {
    Json {
        lines: BufReader<File>,
        line: i64,
    },
    Csv {
        records: Box<csv::Reader<Bounded>>,
        fields: Vec<Option<Field>>,
    },
    Sqlite {
        source: Source,
        wanted: Vec<(usize, Field)>,
        after: i64,
    },
}

/// How to read it.
#[derive(Debug, Clone)]
pub(super) struct How {
    pub(super) file: PathBuf,
    pub(super) table: String,
    pub(super) told: Told,
    pub(super) without_password: bool,
}

impl People {
    /// Opens the file, and finds out what its columns are.
    pub(super) async fn open(how: &How) -> Result<Self, Failure> {
        let path = how.file.as_path();
        let unusable = |error: io::Error| unusable(path, &error.to_string());
        let mut file = File::open(path).map_err(unusable)?;
        let metadata = file.metadata().map_err(unusable)?;
        if !metadata.is_file() {
            return Err(self::unusable(
                path,
                "is no file; it is read more than once, so write what comes from elsewhere to one",
            ));
        }
        let length = metadata.len();
        let mut first = Vec::new();
        (&mut file)
            .take(MAX_LINE as u64)
            .read_to_end(&mut first)
            .map_err(unusable)?;
        let skip = if first.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        file.seek(io::SeekFrom::Start(skip)).map_err(unusable)?;
        let start = first.get(usize::from(skip == 3) * 3..).unwrap_or_default();
        let mut people = Self {
            form: Form::Json {
                lines: BufReader::new(file.try_clone().map_err(unusable)?),
                line: 0,
            },
            told: how.told.clone(),
            read: 0,
            length,
            ignored: Ignored::default(),
            broken: None,
        };
        match start.trim_ascii_start().first() {
            _ if start.starts_with(b"SQLite format 3\0") => people.open_sqlite(how).await?,
            Some(b'{') => {}
            Some(b'[') => {
                return Err(self::unusable(
                    path,
                    "is one JSON array; write one object a line, as `jq -c '.[]'` does",
                ));
            }
            None => return Err(self::unusable(path, "is empty")),
            Some(_) => people.open_csv(how, file, start)?,
        }
        Ok(people)
    }

    async fn open_sqlite(&mut self, how: &How) -> Result<(), Failure> {
        let unusable = |error: String| unusable(&how.file, &error);
        let failed = |error: countersign_store::StoreError| unusable(error.to_string());
        let mut source = Source::open(&how.file, &how.table).await.map_err(failed)?;
        let fields = self.columns(source.columns(), how)?;
        self.length = source.count().await.map_err(failed)?;
        let wanted = fields.into_iter().enumerate();
        let wanted = wanted.filter_map(|(place, field)| Some((place, field?)));
        self.form = Form::Sqlite {
            source,
            wanted: wanted.collect(),
            after: i64::MIN,
        };
        Ok(())
    }

    fn open_csv(&mut self, how: &How, file: File, start: &[u8]) -> Result<(), Failure> {
        let header = start
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let count = |mark: &u8| header.iter().filter(|byte| *byte == mark).count();
        let delimiter = [b',', b';', b'\t'].into_iter().rev().max_by_key(count);
        let mut records = csv::ReaderBuilder::new()
            .delimiter(delimiter.unwrap_or(b','))
            .from_reader(Bounded::new(file));
        let header = records.headers().map_err(|error| {
            let said = match is_too_long(&error) {
                true => "its first line is longer than 64 KiB: is a quote never closed?".to_owned(),
                false => format!("its first line names no columns: {error}"),
            };
            unusable(&how.file, &said)
        })?;
        let names: Vec<_> = header.iter().map(|name| name.trim().to_owned()).collect();
        self.form = Form::Csv {
            records: Box::new(records),
            fields: self.columns(&names, how)?,
        };
        Ok(())
    }

    fn columns(&mut self, names: &[String], how: &How) -> Result<Vec<Option<Field>>, Failure> {
        let fields = how.told.columns(names, how.without_password);
        let fields = fields.map_err(|error| unusable(&how.file, &error))?;
        for (name, field) in names.iter().zip(&fields) {
            if field.is_none() {
                self.ignored.note(name);
            }
        }
        Ok(fields)
    }

    /// Up to `limit` rows; none at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<Numbered>, Failure> {
        if let Form::Sqlite {
            source,
            wanted,
            after,
        } = &mut self.form
        {
            let places: Vec<_> = wanted.iter().map(|(place, _)| *place).collect();
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = source.page(&places, *after, limit).await?;
            *after = rows.last().map_or(*after, |(number, _)| *number);
            self.read += rows.len() as u64;
            let fields = wanted.iter().map(|(_, field)| *field);
            let rows = rows.into_iter().map(|(number, values)| {
                let values = fields.clone().zip(values);
                let put = values.map(|(field, value)| match value {
                    Ok(value) => Ok((field, value.map(Value::Text))),
                    Err(column) => Err(format!("{column} is not text in UTF-8")),
                });
                (number, made(put))
            });
            return Ok(rows.collect());
        }
        let mut rows = Vec::with_capacity(limit);
        if let Some(failure) = self.broken.take() {
            return Err(failure);
        }
        while rows.len() < limit {
            match self.one() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break,
                Err(failure) if rows.is_empty() => return Err(failure),
                Err(failure) => {
                    self.broken = Some(failure);
                    break;
                }
            }
        }
        Ok(rows)
    }

    fn one(&mut self) -> Result<Option<Numbered>, Failure> {
        match &mut self.form {
            Form::Json { lines, line } => loop {
                let mut text = Vec::new();
                *line += 1;
                let most = MAX_LINE as u64 + 1;
                let broken =
                    |error: io::Error| Failure::refused("file_unusable", error.to_string());
                let read = lines
                    .take(most)
                    .read_until(b'\n', &mut text)
                    .map_err(broken)?;
                self.read += read as u64;
                if read == 0 {
                    return Ok(None);
                }
                if text.len() > MAX_LINE {
                    self.read += lines.skip_until(b'\n').map_err(broken)? as u64;
                    return Ok(Some((*line, Err("is longer than 64 KiB".to_owned()))));
                }
                if !text.trim_ascii().is_empty() {
                    let row = object(&text, &self.told, &mut self.ignored);
                    return Ok(Some((*line, row)));
                }
            },
            Form::Csv { records, fields } => {
                let mut record = csv::StringRecord::new();
                let begins = records.position().line();
                records.get_mut().again();
                let read = records.read_record(&mut record);
                self.read = records.position().byte();
                let line = |position: Option<&csv::Position>| {
                    position.map_or(0, |at| i64::try_from(at.line()).unwrap_or(i64::MAX))
                };
                match read {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let put = fields
                            .iter()
                            .zip(record.iter())
                            .filter_map(|(field, value)| {
                                Some(Ok(((*field)?, Some(Value::Text(value.to_owned())))))
                            });
                        Ok(Some((line(record.position()), made(put))))
                    }
                    Err(error) => match error.kind() {
                        csv::ErrorKind::UnequalLengths {
                            pos,
                            expected_len,
                            len,
                        } => {
                            let said =
                                format!("has {len} fields, and the first line {expected_len}");
                            Ok(Some((line(pos.as_ref()), Err(said))))
                        }
                        csv::ErrorKind::Utf8 { pos, .. } => {
                            Ok(Some((line(pos.as_ref()), Err("is not UTF-8".to_owned()))))
                        }
                        // What comes after a quote that is never closed cannot be told apart.
                        _ if is_too_long(&error) => Err(Failure::refused(
                            "file_unusable",
                            format!(
                                "the row that begins in line {begins} is longer than 64 KiB: is a \
                                 quote never closed? What stands before it is done"
                            ),
                        )),
                        _ => Err(Failure::refused("file_unusable", error.to_string())),
                    },
                }
            }
            Form::Sqlite { .. } => Ok(None),
        }
    }
}

/// A file of which only so much is read for each row. The parser keeps a row until it is whole, and
/// one whose quote is never closed goes to the end of the file.
struct Bounded {
    file: File,
    left: usize,
}

/// The row went on after all that may be read for it.
#[derive(Debug, thiserror::Error)]
#[error("the row is too long")]
struct TooLong;

impl Bounded {
    fn new(file: File) -> Self {
        let left = MAX_LINE;
        Self { file, left }
    }

    /// A row begins. Some of it has been read already.
    fn again(&mut self) {
        self.left = MAX_LINE;
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(TooLong));
        }
        let most = buffer.len().min(self.left);
        let read = self.file.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

fn is_too_long(error: &csv::Error) -> bool {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.get_ref().is_some_and(|inner| inner.is::<TooLong>()),
        _ => false,
    }
}

fn unusable(file: &Path, error: &str) -> Failure {
    Failure::refused("file_unusable", format!("{}: {error}", file.display()))
}

/// A row of values, each with its field.
fn made(
    values: impl Iterator<Item = Result<(Field, Option<Value>), String>>,
) -> Result<Row, String> {
    let mut row = Row::default();
    for value in values {
        if let (field, Some(value)) = value? {
            put(&mut row, field, value)?;
        }
    }
    Ok(row)
}

fn object(line: &[u8], told: &Told, ignored: &mut Ignored) -> Result<Row, String> {
    let no_object = |_| "is not one strict JSON object".to_owned();
    let line = line.trim_ascii();
    check_object(line).map_err(|error| no_object(error.to_string()))?;
    let object: Map<String, Json> =
        serde_json::from_slice(line).map_err(|error| no_object(error.to_string()))?;
    let fields = told.fields(object.keys().map(String::as_str))?;
    let values = object
        .into_iter()
        .zip(fields)
        .filter_map(|((name, value), field)| {
            let Some(field) = field else {
                ignored.note(&name);
                return None;
            };
            let text = |value: Json| match value {
                Json::String(text) => Ok(text),
                Json::Bool(yes) => Ok(yes.to_string()),
                Json::Number(number) => Ok(number.to_string()),
                _ => Err(format!("{name} holds what is no text")),
            };
            Some(match value {
                Json::Null => Ok((field, None)),
                Json::Array(list) => {
                    let list = list.into_iter().map(text).collect::<Result<Vec<_>, _>>();
                    list.map(|list| (field, Some(Value::List(list))))
                }
                value => text(value).map(|text| (field, Some(Value::Text(text)))),
            })
        });
    made(values)
}
