//! Groups, inboxes, call flows and prompts in the company file.

use super::*;

/// Laid over [`current`].
const HOUSE: &str = "
    [[company]]
    key = 'a'
    [[user]]
    company = 'a'
    extension = '201'
    default_inbox = 'support'
    ring_s = 20
    on_busy = 'group:sales'
    on_no_answer = 'number:+49301234'
    [[group]]
    name = 'sales'
    members = ['201', '202']
    [[inbox]]
    name = 'support'
    label = 'Support'
    numbers = ['+100']
    primary = '+100'
    members = ['201']
    time_zone = 'Europe/Berlin'
    hours = ['mon-fri 09:00-17:00']
    flow = 'main'
    [[flow]]
    name = 'main'
    [[flow.step]]
    name = 'record'
    do = 'recording'
    on = true
    next = 'hello'
    [[flow.step]]
    name = 'hello'
    do = 'menu'
    prompt = 'welcome'
    digits = { 1 = 'team', '#' = 'out' }
    timeout = 'team'
    invalid = 'hello'
    [[flow.step]]
    name = 'team'
    do = 'ring'
    target = 'group:sales'
    how = 'longest_idle'
    [[flow.step]]
    name = 'out'
    do = 'forward'
    to = 'user:202'
    [[number]]
    number = '+100'
    route = 'unrouted'
    [[prompt]]
    name = 'welcome'
    file = 'welcome.wav'
";

fn house() -> CompanyFile {
    let mut file = file(HOUSE);
    file.prompts[0].keys.sound = Some(crate::directory::Sound(vec![7; 8_000].into()));
    file
}

fn lines(current: &Directory, file: &CompanyFile, prune: bool) -> Vec<String> {
    let plan = plan(current, file, prune).unwrap_or_else(|errors| panic!("{errors:#?}"));
    plan.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn groups_inboxes_flows_and_prompts_are_added_each_with_a_line() {
    let lines = lines(&current(), &house(), false);
    let heads: Vec<_> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "~ user 201 of a",
        "~ number +100 of a",
        "+ group sales of a",
        "+ inbox support of a",
        "+ flow main of a",
        "+ prompt welcome of a",
    ];
    assert_eq!(heads, expected);
    assert_eq!(
        lines[0],
        "~ user 201 of a: default_inbox none → support, ring_s inherit → 20, on_busy none → group:sales, \
         on_no_answer none → number:+49301234"
    );
    assert_eq!(lines[2], "+ group sales of a: label sales, members 201, 202, subscribe_members off");
    assert_eq!(
        lines[3],
        "+ inbox support of a: label Support, numbers +100, primary +100, members 201, \
         hours mon-fri 09:00-17:00 Europe/Berlin, flow main, history off"
    );
    assert!(lines[5].starts_with("+ prompt welcome of a: sound 1.0 s ("), "{}", lines[5]);
}

#[test]
fn everything_that_leads_nowhere_is_said_at_once() {
    let text = "
        [[company]]
        key = 'a'
        [[user]]
        company = 'a'
        extension = '201'
        default_inbox = 'none'
        on_busy = 'user:201'
        on_unregistered = 'group:none'
        [[group]]
        name = 'g'
        members = ['201', '999', '201']
        [[inbox]]
        name = 'one'
        numbers = ['+100', '+999']
        primary = '+101'
        flow = 'none'
        [[inbox]]
        name = 'two'
        numbers = ['+100']
        [[number]]
        number = '+100'
        route = 'flow:none'
        [[flow]]
        name = 'f'
        [[flow.step]]
        name = 'x'
        do = 'voicemail'
        box = '1'
        [[flow.step]]
        name = 'y'
        do = 'ring'
        target = 'inbox:none'
        cause = 486
        [[flow.step]]
        do = 'menu'
        [[flow]]
        name = 'empty'
        [[prompt]]
        name = 'p'
    ";
    let expected = [
        "flow f of a: step x: no such box `1`: add one of that number, or name another",
        "flow f of a: step y: inbox:none: the company has none of that name",
        "flow f of a: step y: `cause` means nothing in this kind of step: take it out",
        "flow f of a: step 3 of the flow: `name` is missing",
        "flow f of a: step 3 of the flow: `prompt` is missing",
        "flow f of a: step 3 of the flow: a menu without digits: name a step for at least one key",
        "flow empty of a: no step: a flow has at least one",
        "prompt p of a: `file` is missing: which WAV file is it?",
        "user 201 of a: on_busy `user:201` leads back to this user: choose another",
        "user 201 of a: on_unregistered `group:none`: the company has none of that name",
        "user 201 of a: default_inbox `none`: the company has none of that name",
        "number +100 of a: route `flow:none`: the company has none of that name: add it, or route elsewhere",
        "group g of a: members `999`: the company has none of that name",
        "group g of a: members names 201 twice: leave one out",
        "inbox one of a: numbers +999 is not a number of this company: add it, or choose another",
        "inbox one of a: primary `+101` is not one of the inbox's numbers: add it to `numbers`",
        "inbox one of a: flow `none`: the company has none of that name",
        "inbox two of a: number +100 is in inbox one too: a number is in one inbox at most, since its messages go to one place",
    ];
    let said = refused(&current(), text, false);
    for expected in expected {
        assert!(said.iter().any(|line| line == expected), "not said: {expected}\nsaid: {said:#?}");
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}

#[test]
fn what_a_flow_or_group_still_names_cannot_be_pruned_away() {
    let text = "[[company]]\nkey = 'a'\n[[user]]\nextension = '201'\n[[group]]\nname = 'g'\nmembers = ['202']";
    assert_eq!(refused(&current(), text, true), ["group g of a: members `202`: the company has none of that name"]);
}

#[test]
fn the_same_file_by_itself_is_a_directory_in_which_names_lead_to_each_other() {
    let text = HOUSE.replace("company = 'a'\n", "").replace("key = 'a'", "key = 'a'\ndomains = ['a.example']");
    let text = format!("{text}\n[[user]]\nextension = '202'\n");
    let directory = standalone(&file(&text)).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let company = directory.company_by_key("a").unwrap().id;
    let group = directory.group_by_name(company, "sales").unwrap();
    let users: Vec<&str> = group.members.iter().map(|id| directory.user(*id).unwrap().extension.as_str()).collect();
    assert_eq!(users, ["201", "202"]);
    let number = directory.number_by_e164("+100").unwrap();
    let inbox = directory.inbox_of_number(number.id).unwrap();
    assert_eq!(
        directory.route_of(number),
        Route::Inbox(inbox.id),
        "a number without a route goes where its inbox says"
    );
    let alice = directory.user_by_extension(company, "201").unwrap();
    assert_eq!(directory.caller_id_of(alice), Some(number.id), "the primary number of the default inbox");
    let flow = directory.flow(inbox.flow.unwrap()).unwrap();
    assert_eq!((flow.name.as_str(), flow.flow.steps.len()), ("main", 4));
}
