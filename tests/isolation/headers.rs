//! The matrix at the head of a file in `policies/`, read strictly: what is not understood is an error, never a denial.

use std::collections::BTreeSet;

/// What the head of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    pub lines: Vec<Line>,
}

/// One line: whoever is one of these may do that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub who: Vec<Who>,
    pub select: Cell,
    pub insert: Cell,
    pub update: Cell,
    pub delete: Cell,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Not signed in.
    Anon,
    /// Signed in, and a member of nothing.
    Stranger,
    /// Anybody who is signed in.
    Authenticated,
    /// Whom the row is about.
    Person,
    /// Whoever belongs to the row's tenant.
    Member,
    /// A member who holds a permission that is in force.
    Holder(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub rows: Rows,
    /// Only these columns.
    pub columns: Option<Vec<String>>,
    /// Only rows in which this column is false.
    pub unless: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    No,
    All,
    /// Of the tenants in which the actor is what the line says.
    Own,
    /// About the actor.
    Themselves,
    /// People of the tenants in which the actor is what the line says.
    Fellows,
}

const HEADING: [&str; 5] = ["actor", "select", "insert", "update", "delete"];

impl Matrix {
    /// `permissions` are the ones that there are: a line about another one is a mistake.
    pub fn parse(table: &str, sql: &str, permissions: &BTreeSet<String>) -> Result<Self, String> {
        let mut lines = sql.lines();
        let first = format!("-- Access to public.{table}");
        if lines.next() != Some(first.as_str()) || lines.next() != Some("--") {
            return Err(format!("does not begin with `{first}` and a line `--`"));
        }
        let mut grid = lines.map_while(|line| line.strip_prefix("-- |")).map(cells);
        if grid.next().unwrap_or_default() != HEADING {
            return Err(format!("the matrix has other columns than {HEADING:?}"));
        }
        let ruled = grid.next().unwrap_or_default();
        if ruled.len() != HEADING.len() || !ruled.iter().all(|cell| cell.bytes().all(|b| b == b'-'))
        {
            return Err("there is no rule below the matrix's heading".to_owned());
        }
        let lines = grid
            .map(|cells| line(&cells, permissions))
            .collect::<Result<Vec<_>, _>>()?;
        if lines.is_empty() {
            return Err("the matrix has no lines".to_owned());
        }
        Ok(Self { lines })
    }
}

/// What stands between the bars; the first is gone already.
fn cells(line: &str) -> Vec<&str> {
    line.trim_end()
        .trim_end_matches('|')
        .split('|')
        .map(str::trim)
        .collect()
}

fn line(cells: &[&str], permissions: &BTreeSet<String>) -> Result<Line, String> {
    let [who, select, insert, update, delete] = cells else {
        return Err(format!("{cells:?} is not an actor and four cells"));
    };
    let line = Line {
        who: who
            .split(", ")
            .map(|one| actor(one, permissions))
            .collect::<Result<_, _>>()?,
        select: cell(
            select,
            &[
                Rows::No,
                Rows::All,
                Rows::Own,
                Rows::Themselves,
                Rows::Fellows,
            ],
        )?,
        insert: cell(insert, &[Rows::No, Rows::Own])?,
        update: limited_cell(update, &[Rows::No, Rows::Own, Rows::Themselves])?,
        delete: limited_cell(delete, &[Rows::No, Rows::Own])?,
    };
    for cell in [&line.select, &line.insert, &line.update, &line.delete] {
        let fits = line.who.iter().all(|who| match cell.rows {
            Rows::No => true,
            Rows::All => matches!(who, Who::Anon | Who::Authenticated),
            Rows::Own | Rows::Fellows => matches!(who, Who::Member | Who::Holder(_)),
            Rows::Themselves => *who == Who::Person,
        });
        if !fits {
            return Err(format!("`{who}` has no rows of the kind {:?}", cell.rows));
        }
    }
    Ok(line)
}

fn actor(text: &str, permissions: &BTreeSet<String>) -> Result<Who, String> {
    Ok(match text {
        "anon" => Who::Anon,
        "stranger" => Who::Stranger,
        "authenticated" => Who::Authenticated,
        "the person" => Who::Person,
        "member" => Who::Member,
        _ => match text.strip_prefix("member with ") {
            Some(permission) if permissions.contains(permission) => {
                Who::Holder(permission.to_owned())
            }
            _ => return Err(format!("`{text}` is no actor")),
        },
    })
}

fn cell(text: &str, known: &[Rows]) -> Result<Cell, String> {
    let rows = match text {
        "no" => Rows::No,
        "all" => Rows::All,
        "own" => Rows::Own,
        "self" => Rows::Themselves,
        "fellows" => Rows::Fellows,
        _ => return Err(format!("the cell `{text}` is not understood")),
    };
    if !known.contains(&rows) {
        return Err(format!("the cell `{text}` means nothing in its column"));
    }
    Ok(Cell {
        rows,
        columns: None,
        unless: None,
    })
}

/// `own`, `own: name, subdomain` or `own, not built in`.
fn limited_cell(text: &str, known: &[Rows]) -> Result<Cell, String> {
    if let Some((rows, columns)) = text.split_once(": ") {
        let columns: Vec<String> = columns.split(", ").map(str::to_owned).collect();
        if !columns.iter().all(|column| is_name(column)) {
            return Err(format!(
                "the cell `{text}` names something that is no column"
            ));
        }
        return Ok(Cell {
            columns: Some(columns),
            ..cell(rows, known)?
        });
    }
    if let Some((rows, unless)) = text.split_once(", not ") {
        let unless = unless.replace(' ', "_");
        if !is_name(&unless) {
            return Err(format!(
                "the cell `{text}` names something that is no column"
            ));
        }
        return Ok(Cell {
            unless: Some(unless),
            ..cell(rows, known)?
        });
    }
    cell(text, known)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[test]
fn a_head_is_read() {
    let permissions = BTreeSet::from(["roles.manage".to_owned()]);
    let parse = |line: &str| {
        let sql = format!(
            "-- Access to public.roles\n--\n-- | actor | select | insert | update | delete |\n-- | --- | - | - | - | - |\n-- {line}\n--\n-- Words.\n"
        );
        Matrix::parse("roles", &sql, &permissions)
    };
    let read = parse(
        "| member with roles.manage, member | own | no | own: name, key | own, not built in |",
    );
    let line = &read.expect("a good matrix").lines[0];
    assert_eq!(
        line.who,
        [Who::Holder("roles.manage".to_owned()), Who::Member]
    );
    assert_eq!((line.select.rows, line.insert.rows), (Rows::Own, Rows::No));
    assert_eq!(
        line.update.columns.as_deref(),
        Some(&["name".to_owned(), "key".to_owned()][..])
    );
    assert_eq!(line.delete.unless.as_deref(), Some("built_in"));

    for wrong in [
        "| member with roles.mange | own | no | no | no |",
        "| everybody | own | no | no | no |",
        "| member | some | no | no | no |",
        "| member | | no | no | no |",
        "| member | own | all | no | no |",
        "| member | own | no | fellows | no |",
        "| member | own: name | no | no | no |",
        "| member | own | no | own: Name! | no |",
        "| member | own | no | no |",
        "| anon, member | own | no | no | no |",
        "| member | self | no | no | no |",
        "| the person | all | no | no | no |",
    ] {
        assert!(parse(wrong).is_err(), "`{wrong}` was taken for granted");
    }
    assert!(Matrix::parse("users", "-- Access to public.roles\n--\n", &permissions).is_err());
    assert!(Matrix::parse("roles", "-- Access to public.roles\n--\n", &permissions).is_err());
}
