//! What `json_fields` says of records, by example.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

/// `path present/parents types values` of every path, over the payloads in several partitions.
async fn fields(payloads: &[&str]) -> Vec<String> {
    let config = SessionConfig::new()
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
        .with_target_partitions(2);
    let context = SessionContext::new_with_config(config);
    context.register_udaf(json_fields());
    let schema = Arc::new(Schema::new(vec![Field::new("payload", DataType::Utf8, true)]));
    let partitions = payloads
        .iter()
        .map(|payload| {
            let column: ArrayRef = Arc::new(StringArray::from(vec![*payload]));
            vec![RecordBatch::try_new(schema.clone(), vec![column]).unwrap()]
        })
        .collect();
    context.register_table("t", Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
    let sql = "select concat(f.path, ' ', f.presentCount, '/', f.parentCount,
          case when f.nullCount > 0 then concat(' null ', f.nullCount) else '' end,
          case when f.textCount > 0 then concat(' text ', f.textCount) else '' end,
          case when f.integerCount > 0 then concat(' integer ', f.integerCount) else '' end,
          case when f.decimalCount > 0 then concat(' decimal ', f.decimalCount) else '' end,
          case when f.booleanCount > 0 then concat(' boolean ', f.booleanCount) else '' end,
          case when f.objectCount > 0 then concat(' object ', f.objectCount) else '' end,
          case when f.arrayCount > 0 then concat(' array ', f.arrayCount) else '' end,
          coalesce(concat(' ', f.smallValues), '')) as line
        from (select unnest(json_fields(payload)) as f from t group by true) as x";
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let mut lines: Vec<String> = Vec::new();
    for batch in &batches {
        let text = cast(batch.column(0), &DataType::Utf8).unwrap();
        lines.extend(text.as_string::<i32>().iter().flatten().map(|line| line.trim_end().to_owned()));
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn every_path_is_counted_by_type() {
    let found = fields(&[
        r#"{"id":1,"name":"a","owner":{"id":5},"open":true}"#,
        r#"{"id":2.5,"name":null,"owner":{}}"#,
        r#"{"id":"3","tags":[]}"#,
    ])
    .await;
    assert_eq!(
        found,
        [
            "$ 3/3 object 3",
            r#"id 3/3 text 1 integer 1 decimal 1 ["1","3"]"#,
            r#"name 2/3 null 1 text 1 ["a"]"#,
            "open 1/3 boolean 1",
            "owner 2/3 object 2",
            r#"owner.id 1/2 integer 1 ["5"]"#,
            "tags 1/3 array 1",
        ]
    );
}

#[tokio::test]
async fn elements_of_lists_share_a_path() {
    let found = fields(&[r#"{"p":[{"n":"x"},{"n":"y","m":[1,[2]]}]}"#, r#"{"p":[{"n":"x"}]}"#]).await;
    assert_eq!(
        found,
        [
            "$ 2/2 object 2",
            "p 2/2 array 2",
            "p[] 3/3 object 3",
            "p[].m 1/3 array 1",
            r#"p[].m[] 2/2 integer 1 array 1 ["1"]"#,
            r#"p[].m[][] 1/1 integer 1 ["2"]"#,
            r#"p[].n 3/3 text 3 ["x","y"]"#,
        ]
    );
}

#[tokio::test]
async fn a_tree_has_one_path_for_all_its_levels() {
    let tree = r#"{"id":1,"kids":[{"id":2,"kids":[{"id":3,"kids":[{"id":4}]},{"id":5,"name":"x"}]}]}"#;
    let found = fields(&[tree, r#"{"id":6}"#]).await;
    assert_eq!(
        found,
        [
            "$ 2/2 object 2",
            r#"id 2/2 integer 2 ["1","6"]"#,
            "kids 3/6 array 3",
            "kids[] 4/4 object 4",
            r#"kids[].id 4/4 integer 4 ["2","3","4","5"]"#,
            r#"kids[].name 1/4 text 1 ["x"]"#,
        ]
    );
}

#[tokio::test]
async fn many_values_are_not_kept_and_long_ones_neither() {
    let many: Vec<String> = (0..40).map(|id| format!(r#"{{"id":{id},"ünï":"{}"}}"#, "x".repeat(70))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(fields(&many).await, ["$ 40/40 object 40", "id 40/40 integer 40", "ünï 40/40 text 40"]);
}

#[tokio::test]
async fn an_object_used_as_a_map_has_one_path_for_all_its_members() {
    let members: Vec<String> = (0..300).map(|at| format!(r#""field {at}":{at}"#)).collect();
    let whole = format!("{{{}}}", members.join(","));
    let found = fields(&[&whole, r#"{"field 7":"seven"}"#]).await;
    assert_eq!(found, ["$ 2/2 object 2", "* 301/301 text 1 integer 300"]);
    assert_eq!(fields(&[r#"{"a.b":{"c":1}}"#]).await[..2], [r#""a.b" 1/1 object 1"#, r#""a.b".c 1/1 integer 1 ["1"]"#]);
}

#[tokio::test]
async fn what_is_no_json_is_missing_from_the_count() {
    assert_eq!(fields(&[r#"{"id":1}"#, "nonsense", r#""text""#]).await[0], "$ 2/3 text 1 object 1 [\"text\"]");
    assert!(fields(&[&format!("{}1{}", "[".repeat(60), "]".repeat(60))]).await.len() < 40);
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_counted_once() {
    let found = fields(&[r#"{"id":1,"id":"x","a":{"b":1},"a":{"b":2}}"#]).await;
    assert_eq!(
        found,
        ["$ 1/1 object 1", r#"a 1/1 object 1"#, r#"a.b 1/1 integer 1 ["1"]"#, r#"id 1/1 integer 1 ["1"]"#]
    );
}

#[tokio::test]
async fn what_a_record_can_make_it_hold_is_bounded() {
    let deep = format!(r#"{{"id":1,"x":{}{},"y":2}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let found = fields(&[&deep]).await;
    assert!(found.len() < 40 && found.contains(&r#"y 1/1 integer 1 ["2"]"#.to_owned()), "{found:?}");

    let object = |of: &dyn Fn(usize) -> String| format!("{{{}}}", (0..200).map(of).collect::<Vec<_>>().join(","));
    let wide = object(&|outer| format!(r#""a{outer}":{}"#, object(&|inner| format!(r#""b{inner}":1"#))));
    assert_eq!(fields(&[&wide, &wide]).await.len(), MOST_PLACES + 1);

    let name = "n".repeat(1_000);
    assert_eq!(fields(&[&format!(r#"{{"{name}":1}}"#)]).await, ["$ 1/1 object 1", r#"* 1/1 integer 1 ["1"]"#]);
    assert_eq!(fields(&[r#"{"id":1,"x":1e400,"y":2}"#]).await.len(), 3, "what follows is not told");
}
