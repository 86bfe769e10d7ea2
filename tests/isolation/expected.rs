//! What a matrix lets a player do.

use tests::world::{TENANTS, Tenant};

use crate::headers::{Cell, Line, Matrix, Rows, Who};
use crate::players::Player;
use crate::tables::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    /// `insert … on conflict … do update`
    Upsert,
}

pub const VERBS: [Verb; 5] = [
    Verb::Select,
    Verb::Insert,
    Verb::Update,
    Verb::Delete,
    Verb::Upsert,
];

/// The rows that a line opens to a player.
pub struct Reach {
    /// Where the player is what the line says.
    pub tenants: Vec<Tenant>,
    pub cell: Cell,
    condition: String,
}

impl Matrix {
    /// What is open to a player by one of the four verbs that a matrix has columns for.
    pub fn reach(&self, table: &Table, player: &Player, verb: Verb) -> Vec<Reach> {
        let lines = self.lines.iter().filter_map(|line| {
            let cell = match verb {
                Verb::Select => &line.select,
                Verb::Insert => &line.insert,
                Verb::Update => &line.update,
                Verb::Delete | Verb::Upsert => &line.delete,
            };
            Reach::of(line, cell, table, player)
        });
        lines.collect()
    }
}

impl Reach {
    fn of(line: &Line, cell: &Cell, table: &Table, player: &Player) -> Option<Self> {
        let tenants: Vec<Tenant> = TENANTS
            .into_iter()
            .filter(|tenant| line.who.iter().any(|who| is(player, who, *tenant)))
            .collect();
        if tenants.is_empty() {
            return None;
        }
        let ids: Vec<String> = tenants
            .iter()
            .map(|tenant| format!("'{}'", tenant.id()))
            .collect();
        let ids = ids.join(", ");
        let condition = match cell.rows {
            Rows::No => return None,
            Rows::All => "true".to_owned(),
            Rows::Own => {
                let column = table
                    .tenant_column()
                    .unwrap_or_else(|| panic!("policies/{}.sql: whose is `own`?", table.name));
                format!("{column} in ({ids})")
            }
            Rows::Themselves => {
                let column = table
                    .person_column()
                    .unwrap_or_else(|| panic!("policies/{}.sql: who is `self`?", table.name));
                format!("{column} = '{}'", player.person()?)
            }
            Rows::Fellows => {
                assert_eq!(table.name, "users", "only people have fellows");
                format!(
                    "id in (select m.user_id from public.memberships m where m.tenant_id in ({ids}))"
                )
            }
        };
        Some(Self {
            tenants,
            cell: cell.clone(),
            condition,
        })
    }

    /// Whether rows of a tenant can be written where there is none yet.
    pub fn takes_in(&self, tenant: Tenant) -> bool {
        self.cell.rows == Rows::Own && self.tenants.contains(&tenant)
    }

    pub fn condition(&self) -> String {
        match &self.cell.unless {
            Some(column) => format!("({} and not {column})", self.condition),
            None => self.condition.clone(),
        }
    }
}

/// The rows that are open by any line, as a condition.
pub fn any_of(reach: &[Reach]) -> String {
    if reach.is_empty() {
        return "false".to_owned();
    }
    let conditions: Vec<_> = reach.iter().map(Reach::condition).collect();
    format!("({})", conditions.join(" or "))
}

/// Whether somebody may write a column by any line.
pub fn opens_column(reach: &[Reach], column: &str) -> bool {
    reach.iter().any(|reach| match &reach.cell.columns {
        Some(columns) => columns.iter().any(|known| known == column),
        None => true,
    })
}

/// The columns that the lines name, when they name some.
pub fn named_columns(reach: &[Reach]) -> Option<Vec<String>> {
    let named: Vec<_> = reach
        .iter()
        .filter_map(|reach| reach.cell.columns.clone())
        .flatten()
        .collect();
    (!named.is_empty()).then_some(named)
}

fn is(player: &Player, who: &Who, tenant: Tenant) -> bool {
    match who {
        Who::Anon => player.is_anonymous(),
        Who::Stranger => player.is_stranger(),
        Who::Authenticated => !player.is_anonymous(),
        Who::Person => player.person().is_some(),
        Who::Member => player.holds_in(tenant).is_some(),
        Who::Holder(permission) => player
            .holds_in(tenant)
            .is_some_and(|held| held.contains(permission.as_str())),
    }
}
