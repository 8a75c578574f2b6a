//! Least privilege: every role is written out, every action and resource is named. Which actions are needed `iam` finds out.

use serde_json::Value;

use crate::template::Expanded;

/// One value or an array of them.
fn several(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// What a value is under some condition.
fn branches(value: &Value) -> Vec<&Value> {
    value["Fn::If"].as_array().map_or_else(|| vec![value], |all| all[1..].iter().collect())
}

/// The statements of a role's policies.
fn statements(role: &Value) -> Vec<&Value> {
    let policies = role["Policies"].as_array().expect("a role has policies").iter();
    let statements = policies.flat_map(|policy| several(&policy["PolicyDocument"]["Statement"]));
    // Some are left out by a condition.
    statements.flat_map(branches).filter(|statement| statement["Ref"] != "AWS::NoValue").collect()
}

/// The statements of all roles, with the role's name.
fn all_statements(template: &Expanded) -> Vec<(&str, &Value)> {
    let roles = template.all("AWS::IAM::Role").into_iter();
    roles.flat_map(|(name, role)| statements(role).into_iter().map(move |statement| (name, statement))).collect()
}

#[test]
fn no_role_allows_an_action_by_a_wildcard() {
    for (role, statement) in all_statements(&Expanded::new()) {
        assert_eq!(statement["Effect"], "Allow", "{role}");
        assert!(statement.get("NotAction").is_none(), "{role} allows all but some actions");
        for action in several(&statement["Action"]) {
            let name = action.as_str().expect("an action is text");
            assert!(name.contains(':') && !name.contains(['*', '?']), "{role} allows {name}");
        }
    }
}

#[test]
fn every_resource_of_a_role_is_one_of_the_stack() {
    /// Parts of a name that are the stack's own: what may follow a resource's ARN.
    const WITHIN: [&str; 7] = ["/*", "/index/GSI1", "/log/*", "/head/*", "/deployment/*", "/proof/*", "/prices/*"];
    for (role, statement) in all_statements(&Expanded::new()) {
        assert!(statement.get("NotResource").is_none(), "{role} reaches all but some resources");
        for resource in several(&statement["Resource"]) {
            for branch in branches(resource) {
                // The reference of a secret or a topic is its ARN.
                let is_arn = ["AlarmTopic", "ReadToken", "WriteKeys"].iter().any(|name| branch["Ref"] == *name);
                let is_within = branch["Fn::Sub"].as_str().is_some_and(|text| {
                    let (name, rest) = text.split_once(".Arn}").expect("an ARN of the stack");
                    name.starts_with("${") && !name.contains('*') && WITHIN.contains(&rest)
                });
                assert!(branch["Fn::GetAtt"][1] == "Arn" || is_within || is_arn, "{role} reaches {branch}");
            }
        }
    }
}

#[test]
fn every_function_and_schedule_has_a_role_of_its_own_and_none_a_managed_policy() {
    let template = Expanded::new();
    let role_of = |properties: &Value, field: &str| properties[field]["Fn::GetAtt"][0].clone();
    let mut used: Vec<_> = template.all("AWS::Lambda::Function").iter().map(|(_, it)| role_of(it, "Role")).collect();
    used.extend(template.all("AWS::Scheduler::Schedule").iter().map(|(_, it)| role_of(&it["Target"], "RoleArn")));
    let roles: Vec<_> = template.all("AWS::IAM::Role");
    used.sort_by_key(ToString::to_string);
    // All schedules do the same by the same role.
    used.dedup();
    assert_eq!(used.len(), roles.len(), "{used:?}");
    for (name, role) in roles {
        assert!(used.contains(&name.into()), "{name} is nobody's");
        assert!(role.get("ManagedPolicyArns").is_none(), "{name} has managed policies");
    }
}

#[test]
fn nobody_may_delete_but_the_prover_its_earlier_proofs() {
    for (role, statement) in all_statements(&Expanded::new()) {
        for action in several(&statement["Action"]) {
            let name = action.as_str().expect("an action is text");
            let is_of_proofs = role == "ProverRole" && statement["Resource"]["Fn::Sub"] == "${LogBucket.Arn}/proof/*";
            assert!(!name.contains("Delete") || is_of_proofs, "{role} allows {name}");
        }
    }
}
