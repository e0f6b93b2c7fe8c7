//! Names, tables and parents: whether the resources are trees.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Resource, Spec};
use super::document::Path;
use super::{Mistakes, instead_of};

/// The resources of a spec as far as they are trees.
pub struct Tree {
    /// Numbers of a resource's ancestors, outermost first; none where they are not known for sure.
    ancestors: Vec<Option<Vec<usize>>>,
    parents: BTreeSet<usize>,
}

impl Tree {
    /// Names that a resource may put in braces: keys and `each` names of its ancestors, and its own `each` names.
    pub fn names<'a>(&self, spec: &'a Spec, number: usize) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        for ancestor in self.ancestors.get(number)?.as_ref()? {
            let ancestor = &spec.resource[*ancestor];
            names.extend(ancestor.each.keys().map(String::as_str));
            names.push(ancestor.key.as_deref()?);
        }
        names.extend(spec.resource[number].each.keys().map(String::as_str));
        Some(names)
    }

    /// Whether others hang below a resource.
    pub fn is_parent(&self, number: usize) -> bool {
        self.parents.contains(&number)
    }
}

/// The path of a resource.
pub fn path_of(number: usize) -> Path {
    Path::to("resource").then(number)
}

/// Checks what resources are called and how they hang together.
pub fn check(mistakes: &mut Mistakes<'_>, spec: &Spec) -> Tree {
    if spec.resource.is_empty() {
        mistakes.add(&Path::to("resource"), "the spec has no resources", "add a [[resource]] for each thing to list");
    }
    names(mistakes, spec);
    tables(mistakes, spec);
    let mut numbers = BTreeMap::new();
    for (number, resource) in spec.resource.iter().enumerate() {
        numbers.entry(resource.name.as_str()).or_insert(number);
    }
    let mut tree = Tree { ancestors: Vec::new(), parents: BTreeSet::new() };
    for (number, resource) in spec.resource.iter().enumerate() {
        let ancestors = ancestors(mistakes, spec, &numbers, number);
        if let Some(parent) = resource.parent.as_deref().and_then(|parent| numbers.get(parent)) {
            tree.parents.insert(*parent);
        }
        tree.ancestors.push(ancestors);
    }
    for parent in &tree.parents {
        keyless(mistakes, spec, *parent);
    }
    for (number, resource) in spec.resource.iter().enumerate() {
        keys(mistakes, spec, &tree, number, resource);
    }
    tree
}

fn names(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    let mut seen = BTreeSet::new();
    for (number, resource) in spec.resource.iter().enumerate() {
        let at = path_of(number).then("name");
        let name = &resource.name;
        if name.trim().is_empty() {
            let message = format!("resource {} has an empty name", number + 1);
            mistakes.add(&at, message, "give it the word that messages shall call it by");
        } else if !seen.insert(name) {
            let message = format!("resource `{name}` is there twice");
            mistakes.add(&at, message, "give the second one another name");
        }
    }
}

fn tables(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    let mut owners = BTreeMap::new();
    for (number, resource) in spec.resource.iter().enumerate() {
        let (name, Some(table)) = (&resource.name, &resource.table) else { continue };
        let at = path_of(number).then("table");
        let is_camel_case = table.starts_with(|first: char| first.is_ascii_lowercase())
            && table.chars().all(|character| character.is_ascii_alphanumeric());
        if table == "slice" {
            let message = format!("resource `{name}` lands in table `slice`, which is where the walk keeps its slices");
            mistakes.add(&at, message, "give it another table, such as `factSlice`");
        } else if !is_camel_case {
            let message = format!("resource `{name}` lands in table `{table}`, which is no name for a table");
            mistakes.add(
                &at,
                message,
                format!("write letters and digits, a small letter first: `{}`", camel_case(table)),
            );
        } else if let Some(other) = owners.insert(table, name) {
            let message = format!("resource `{name}` lands in table `{table}`, as `{other}` does");
            mistakes.add(&at, message, "give each resource a table of its own");
        }
    }
}

fn camel_case(name: &str) -> String {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut joined = String::new();
    for word in words {
        let (first, rest) = word.split_at(1);
        let first = if joined.is_empty() { first.to_lowercase() } else { first.to_uppercase() };
        joined.push_str(&first);
        joined.push_str(rest);
    }
    match joined.starts_with(|first: char| first.is_ascii_lowercase()) {
        true => joined,
        false => format!("dim{joined}"),
    }
}

fn ancestors(
    mistakes: &mut Mistakes<'_>,
    spec: &Spec,
    numbers: &BTreeMap<&str, usize>,
    number: usize,
) -> Option<Vec<usize>> {
    let mut chain = vec![number];
    let mut current = number;
    while let Some(parent) = spec.resource[current].parent.as_deref() {
        let Some(next) = numbers.get(parent).copied() else {
            if current == number {
                unknown_parent(mistakes, spec, number, parent);
            }
            return None;
        };
        if let Some(entry) = chain.iter().position(|seen| *seen == next) {
            // Every member of a circle comes by here; one of them speaks for all.
            if chain[entry..].iter().min() == Some(&number) {
                circle(mistakes, spec, &chain[entry..]);
            }
            return None;
        }
        chain.push(next);
        current = next;
    }
    chain.remove(0);
    chain.reverse();
    Some(chain)
}

fn unknown_parent(mistakes: &mut Mistakes<'_>, spec: &Spec, number: usize, parent: &str) {
    let others = spec.resource.iter().map(|other| other.name.as_str());
    let others: Vec<&str> = others.filter(|other| *other != spec.resource[number].name).collect();
    let suggestion = instead_of(parent, &others, "leave `parent` out, or add the resource it names");
    let message = format!("resource `{}` has parent `{parent}`, which is not there", spec.resource[number].name);
    mistakes.add(&path_of(number).then("parent"), message, suggestion);
}

fn circle(mistakes: &mut Mistakes<'_>, spec: &Spec, members: &[usize]) {
    let names: Vec<&str> = members.iter().map(|member| spec.resource[*member].name.as_str()).collect();
    let at = path_of(members[0]).then("parent");
    match names[..] {
        [one] => {
            let message = format!("resource `{one}` is its own parent");
            let suggestion = "take `parent` out; records inside records of their own kind are found with `nested`";
            mistakes.add(&at, message, suggestion);
        }
        _ => {
            let message = format!("resource `{}` is below itself: {} → {}", names[0], names.join(" → "), names[0]);
            mistakes.add(&at, message, "take `parent` out of the one that is asked for first");
        }
    }
}

fn keyless(mistakes: &mut Mistakes<'_>, spec: &Spec, parent: usize) {
    let resource = &spec.resource[parent];
    if resource.key.is_some() {
        return;
    }
    let child = spec.children(&resource.name).next().map(|child| child.name.as_str()).unwrap_or_default();
    let message = format!("resource `{}` is the parent of `{child}` and has no `key`", resource.name);
    let suggestion = format!("name its id, for example `key = \"{}Id\"`", resource.name);
    mistakes.add(&path_of(parent), message, suggestion);
}

fn keys(mistakes: &mut Mistakes<'_>, spec: &Spec, tree: &Tree, number: usize, resource: &Resource) {
    let name = &resource.name;
    let at = path_of(number);
    let own = resource.each.keys().map(|each| (at.then("each").then(each), each));
    let own: Vec<_> = own.chain(resource.key.iter().map(|key| (at.then("key"), key))).collect();
    let mut taken: Vec<&str> = tree.names(spec, number).unwrap_or_default();
    taken.retain(|taken| !resource.each.contains_key(*taken));
    for (path, key) in &own {
        let is_word = key.starts_with(|first: char| first.is_ascii_alphabetic())
            && key.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !is_word {
            let message = format!("resource `{name}` has key `{key}`, which cannot be put in braces");
            mistakes.add(path, message, "write letters and digits, a letter first: `projectId`");
        } else if taken.contains(&key.as_str()) {
            let message = format!("resource `{name}` has key `{key}`, and so has one of its ancestors");
            mistakes.add(path, message, format!("give it a key of its own, such as `{name}Id`"));
        }
        taken.push(key);
    }
}
