use std::collections::HashSet;

use serde_json::json;
use uuid::uuid;

use super::Scene;
use crate::catalogue::{Catalogue, Column, Function, Link, Relation, Route, Type};
use crate::people::Person;
use crate::pools::{Pools, Side};
use crate::request::{Kind, Request};
use crate::secrets::Secrets;
use crate::world::Lane;

const THEIRS: &str = "0190f065-0000-7000-8000-000300000001";
const OURS: &str = "0190f001-0000-7000-8000-000300000001";

struct Stage {
    catalogue: Catalogue,
    pools: Pools,
    lanes: Vec<Lane>,
    secrets: Secrets,
}

impl Stage {
    /// Two tables with a key between them, a function and a route.
    fn new() -> Self {
        let columns = |names: &[(&str, Type)]| -> Vec<Column> {
            let column = |(name, kind): &(&str, Type)| Column {
                name: (*name).to_owned(),
                kind: *kind,
                optional: *name != "name",
            };
            names.iter().map(column).collect()
        };
        let relation = |name: &str, target: &str| Relation {
            name: name.to_owned(),
            columns: columns(&[
                ("tenant_id", Type::Uuid),
                ("id", Type::Uuid),
                ("name", Type::Text),
                ("data", Type::Json),
                ("tags", Type::Array),
                ("made", Type::Time),
            ]),
            key: vec!["id".to_owned()],
            uniques: vec![vec!["id".to_owned()]],
            links: vec![Link {
                constraint: "the_key".to_owned(),
                target: target.to_owned(),
            }],
        };
        let catalogue = Catalogue {
            relations: vec![relation("parents", "items"), relation("items", "parents")],
            functions: vec![Function {
                name: "touch".to_owned(),
                arguments: columns(&[("item_id", Type::Uuid), ("name", Type::Text)]),
                answers: columns(&[("id", Type::Uuid)]),
            }],
            routes: vec![Route {
                method: "POST",
                path: "/v1/items/{id}".to_owned(),
                fields: columns(&[("item_id", Type::Uuid)]),
                has_body: true,
                is_stream: false,
            }],
            hidden: vec![("private".to_owned(), "secrets".to_owned())],
        };
        let mut pools = Pools::of_tables(&catalogue);
        for (side, id, name) in [
            (Side::Lane(0), OURS, "ours"),
            (Side::Foreign, THEIRS, "canaryofb000001"),
        ] {
            for table in ["parents", "items"] {
                pools.add(side, table, "id", &json!(id));
                pools.add(side, table, "name", &json!(name));
                pools.add(side, table, "data", &json!({"inner": [{"deep": name}]}));
            }
        }
        let person = Person {
            name: "owner".to_owned(),
            token: None,
            sign_in: String::new(),
            weight: 1,
        };
        Self {
            catalogue,
            pools,
            lanes: vec![Lane {
                tenant: uuid!("0190f001-0000-7000-8000-000000000000"),
                people: vec![person],
            }],
            secrets: Secrets::new(&[format!(r#"{{"id":"{THEIRS}"}}"#)], &[]),
        }
    }

    fn requests(&self, seed: u64, count: usize) -> Vec<Request> {
        let scene = Scene {
            catalogue: &self.catalogue,
            pools: &self.pools,
            lanes: &self.lanes,
            secrets: &self.secrets,
            seed,
        };
        scene.sequence(0, 0, count)
    }
}

#[test]
fn a_seed_gives_the_same_requests_and_another_seed_others() {
    let stage = Stage::new();
    assert_eq!(stage.requests(7, 200), Stage::new().requests(7, 200));
    assert_ne!(stage.requests(7, 200), stage.requests(8, 200));
}

#[test]
fn everything_that_the_catalogue_names_is_asked_for() {
    let stage = Stage::new();
    let requests = stage.requests(1, 6000);
    let asked: HashSet<(Kind, &str)> = requests
        .iter()
        .map(|request| {
            (
                request.kind,
                request.target.split('?').next().unwrap_or_default(),
            )
        })
        .collect();
    let reading = [Kind::Select, Kind::Embed, Kind::Head];
    let writing = [
        Kind::Insert,
        Kind::Upsert,
        Kind::Update,
        Kind::Delete,
        Kind::Put,
    ];
    for kind in reading.into_iter().chain(writing) {
        for table in ["/parents", "/items"] {
            assert!(asked.contains(&(kind, table)), "{kind} of {table}");
        }
    }
    for kind in [Kind::Call, Kind::CallByGet] {
        assert!(asked.contains(&(kind, "/rpc/touch")), "{kind}");
    }
    for address in [format!("/v1/items/{OURS}"), format!("/v1/items/{THEIRS}")] {
        assert!(asked.contains(&(Kind::Edge, address.as_str())), "{address}");
    }
    let targets: Vec<&str> = requests
        .iter()
        .map(|request| request.target.as_str())
        .collect();
    for (table, part) in [
        // Along the key, in both directions, and back again.
        ("/parents", "items!the_key"),
        ("/items", "parents!the_key"),
        ("/parents", "!inner"),
        ("/parents", "...items"),
        // Of each way to ask one.
        ("/items", "or=("),
        ("/items", "not.and=("),
        ("/items", "in.("),
        ("/items", "data-%3Einner-%3E0-%3E%3Edeep"),
        ("/items", "on_conflict="),
        ("/items", "cs."),
        ("/items", "ilike."),
        ("/items", "fts."),
        ("/items", "::text"),
        ("/items", "order="),
        ("/items", "offset="),
    ] {
        assert!(
            targets
                .iter()
                .any(|target| target.starts_with(table) && target.contains(part)),
            "{part} in no request to {table}"
        );
    }
}

#[test]
fn much_of_what_is_asked_is_about_what_is_foreign_and_some_is_only_about_what_is_ours() {
    let stage = Stage::new();
    let requests = stage.requests(3, 2000);
    let foreign = requests
        .iter()
        .filter(|request| !stage.secrets.said_by(request).is_empty())
        .count();
    assert!((600..1600).contains(&foreign), "{foreign} of 2000");
    assert!(requests.iter().any(|request| request.target.contains(OURS)));
}

#[test]
fn only_a_part_of_what_is_foreign_is_ever_written_down() {
    let mut stage = Stage::new();
    for number in 0..60 {
        stage.pools.add(
            Side::Foreign,
            "items",
            "name",
            &json!(format!("canaryofb{number:06}")),
        );
    }
    let written: HashSet<String> = stage
        .requests(1, 12_000)
        .iter()
        .filter(|request| matches!(request.kind, Kind::Insert | Kind::Update | Kind::Upsert))
        .filter_map(|request| request.body.as_ref())
        .flat_map(|body| stage.secrets.said_in(body))
        .collect();
    assert!((5..35).contains(&written.len()), "{} of 60", written.len());
}
