-- Every statement that changes the machine, named, with the change that it makes. `:rows` is a JSON array; each
-- statement locks the items it touches in id order before it changes them, and changes only what still matches.

-- name: submit
-- ready -> submitted: the broker has confirmed the work message of this epoch.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint)
), locked as (
  select i.id from wanted w join item i on i.id = w.item
  where i.epoch = w.epoch and i.phase = any(:sources)
  order by i.id for no key update of i
)
update item i set
  phase = 'submitted', submitted_at = clock_timestamp(), version = i.version + 1,
  trigger = 'submit', actor = :actor, host = '', job = '', since = clock_timestamp(), changed_at = clock_timestamp()
from locked where i.id = locked.id
returning i.id as item, i.epoch;

-- name: start
-- ready, submitted -> executing: the first report of the epoch names the owner and begins its lease.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as r(item bigint, epoch bigint, owner text, host text, job text, log text)
), locked as (
  select i.id, w.owner, w.host, w.job, w.log, s.lease_s
  from wanted w join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  where i.epoch = w.epoch and i.phase = any(:sources)
  order by i.id for no key update of i
)
update item i set
  phase = 'executing', owner = locked.owner, host = locked.host, job = locked.job, log = coalesce(locked.log, ''),
  lease_until = clock_timestamp() + make_interval(secs => locked.lease_s), version = i.version + 1,
  trigger = 'start', actor = locked.owner, reason_code = '', reason = '',
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked where i.id = locked.id
returning i.id as item, i.epoch;

-- name: renew
-- A heartbeat: a longer lease for what is still executed by this owner in this epoch. Not a change of state.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint, owner text)
), locked as (
  select i.id, s.lease_s from wanted w join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  where i.epoch = w.epoch and i.phase = 'executing' and i.owner = w.owner
  order by i.id for no key update of i
)
update item i set lease_until = clock_timestamp() + make_interval(secs => locked.lease_s)
from locked where i.id = locked.id
returning i.id as item, i.epoch, i.owner;

-- name: beats_ahead
-- Heartbeats that overtook the report of their start: the epoch is current and nobody owns it yet.
select i.id as item, i.epoch, w.owner
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, owner text)
join item i on i.id = w.item and i.epoch = w.epoch
where i.owner is null and i.phase in ('ready', 'submitted');

-- name: lock_shared
-- The files of results that belong to the file: whoever else brings one for the same file waits here.
select f.id
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, owner text)
join item i on i.id = w.item
join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state and s.owned_by = 'file'
join file f on f.id = i.file_id
order by f.id for no key update of f;

-- name: made_elsewhere
-- Which of these results came second: the file has what the step makes from another item, or gets it in this batch
-- from one with a lower id. Only results that count are compared.
with mine as materialized (
  select i.id as item, i.file_id, i.epoch, i.step, w.owner, s.makes,
    min(i.id) over (partition by i.file_id, i.step) as first
  from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, owner text)
  join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state and s.owned_by = 'file'
  where i.epoch = w.epoch and i.phase = any(:sources) and (i.owner is null or i.owner = w.owner)
    and i.file_id is not null
)
select m.item, m.epoch, m.step, m.owner from mine m
where m.item > m.first
  or (m.makes = 'product' and exists (select from product p where p.file_id = m.file_id and p.step = m.step
    and p.campaign_id is null and p.superseded_at is null and p.item_id <> m.item))
  or (m.makes = 'copy' and exists (select from replica r where r.file_id = m.file_id and r.step = m.step
    and r.retired_at is null and r.item_id <> m.item));

-- name: succeed
-- ready, submitted, executing -> next state: the owner of the epoch, or its first report, has a result. `passable`: the
-- next step may need no work (`advance_quietly`).
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint, owner text,
    host text, job text, log text, reason_code text, reason text, skipped boolean)
), locked as (
  select i.id, w.*, i.epoch as was_epoch, s.step as was_step, s.owned_by, s.makes, s.to_state, n.step as next_step,
    n.owned_by = 'file' or i.kind = any(n.bypassed_by) as passable
  from wanted w join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  left join step_rule n on n.pipeline_id = i.pipeline_id and n.state = s.to_state and n.scope = i.scope
  where i.epoch = w.epoch and i.phase = any(:sources) and (i.owner is null or i.owner = w.owner)
  order by i.id for no key update of i
)
update item i set
  state = l.to_state, phase = case when l.next_step is null then 'done' else 'ready' end, step = l.next_step,
  epoch = i.epoch + case when l.next_step is null then 0 else 1 end, version = i.version + 1,
  owner = null, lease_until = null, submitted_at = null, not_before = null, trouble_since = null,
  failures = 0, interrupts = 0, nodes = '{}', request = '{}',
  trigger = case when l.skipped then 'skipped' else 'succeed' end, actor = l.owner, host = l.host, job = l.job,
  log = coalesce(l.log, ''), reason_code = coalesce(l.reason_code, ''), reason = coalesce(l.reason, ''),
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, i.run_id, i.file_id, i.campaign_id,
  l.was_step as step, l.owned_by, l.makes, i.step as next_step, i.lane, i.phase, l.passable;

-- name: fail
-- ready, submitted, executing -> ready not before T while the retry budget lasts, then failed.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint, owner text,
    host text, job text, log text, reason_code text, reason text, permanent boolean)
), locked as (
  select i.id, w.*, i.epoch as was_epoch, s.step as was_step, s.backoff_s, s.backoff_max_s,
    coalesce(w.permanent, false) or i.failures >= s.retries as final
  from wanted w join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  where i.epoch = w.epoch and i.phase = any(:sources) and (i.owner is null or i.owner = w.owner)
  order by i.id for no key update of i
)
update item i set
  phase = case when l.final then 'failed' else 'ready' end,
  epoch = i.epoch + case when l.final then 0 else 1 end, version = i.version + 1,
  owner = null, lease_until = null, submitted_at = null, failures = i.failures + 1, interrupts = 0, nodes = '{}',
  not_before = case when l.final then null else clock_timestamp() + make_interval(secs =>
    least(l.backoff_max_s, l.backoff_s * power(2, least(i.failures, 30))) * (0.75 + random() / 2)) end,
  trouble_since = coalesce(i.trouble_since, clock_timestamp()),
  trigger = 'fail', actor = l.owner, host = l.host, job = l.job, log = coalesce(l.log, ''),
  reason_code = l.reason_code, reason = l.reason, since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, i.run_id, i.campaign_id, l.was_step as step,
  i.phase, l.owner;

-- name: interrupt
-- submitted, executing (or ready, where the report was quicker than our note that the hint went out) -> ready not
-- before T: the infrastructure was at fault. N lost workers in a row on different nodes, or :few times as many on fewer,
-- or a second walltime or memory shortage, make it failed. `nodes` has a node as often as a worker was lost there.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint, owner text,
    host text, job text, log text, reason_code text, reason text, node text)
), locked as (
  select i.id, w.*, i.epoch as was_epoch, i.owner as was_owner, s.step as was_step, now.nodes as now_nodes,
    w.reason_code = any(:counted) and (cardinality(now.nodes) >= :few * s.interrupts
      or (select count(distinct node) from unnest(now.nodes) as node) >= s.interrupts) as kills,
    w.reason_code = any(:escalated) and i.request ? w.reason_code as exhausted
  from wanted w join item i on i.id = w.item
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  cross join lateral (
    select case when w.reason_code = any(:counted)
      then i.nodes || coalesce(w.node, nullif(w.host, ''), i.host) else i.nodes end as nodes
  ) as now
  where i.epoch = w.epoch and i.phase = any(:sources) and (i.owner is null or w.owner is null or i.owner = w.owner)
  order by i.id for no key update of i
)
update item i set
  phase = case when l.kills or l.exhausted then 'failed' else 'ready' end,
  epoch = i.epoch + case when l.kills or l.exhausted then 0 else 1 end, version = i.version + 1,
  owner = null, lease_until = null, submitted_at = null,
  interrupts = i.interrupts + 1,
  nodes = l.now_nodes,
  request = case when l.reason_code = any(:escalated) then i.request || jsonb_build_object(l.reason_code, 2)
    else i.request end,
  not_before = case when l.kills or l.exhausted then null when l.reason_code = any(:polite) then clock_timestamp()
    else clock_timestamp() + make_interval(secs => (least(60, power(2, least(i.interrupts, 6))) - 1)
      * (0.75 + random() / 2)) end,
  trouble_since = coalesce(i.trouble_since, clock_timestamp()),
  trigger = 'interrupt', actor = coalesce(l.owner, :actor), host = coalesce(nullif(l.host, ''), i.host), job = coalesce(l.job, i.job),
  log = coalesce(l.log, i.log),
  reason_code = case when l.kills then 'kills-workers' else l.reason_code end,
  reason = case when l.kills then 'its workers died ' || cardinality(l.now_nodes) || ' times in a row, on '
    || (select string_agg(distinct node, ', ') from unnest(l.now_nodes) as node) || ': ' || l.reason else l.reason end,
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, i.run_id, i.campaign_id, l.was_step as step,
  i.phase, l.was_owner as owner;

-- name: operate
-- An operator's move of items to :target. Entering ready, or leaving submitted or executing, takes a new epoch. A run
-- that fell back while it was held has no step: it waits for its files instead of being ready.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, version bigint)
), locked as (
  select i.id, i.epoch as was_epoch, i.owner as was_owner, i.phase as was_phase, i.step as was_step
  from wanted w join item i on i.id = w.item join run on run.id = i.run_id
  where i.phase = any(:sources) and (w.version is null or i.version = w.version)
    and (:target <> 'ready' or run.known_kind)
  order by i.id for no key update of i
)
update item i set
  phase = case when :target = 'ready' and i.step is null then 'waiting' else :target end, version = i.version + 1,
  epoch = i.epoch + case when :target = 'ready' or l.was_phase in ('submitted', 'executing') then 1 else 0 end,
  owner = null, lease_until = null, submitted_at = null, not_before = null,
  failures = case when :target = 'ready' then 0 else i.failures end,
  interrupts = case when :target = 'ready' then 0 else i.interrupts end,
  nodes = case when :target = 'ready' then '{}' else i.nodes end,
  lane = case when :target = 'ready' then coalesce(:lane, i.lane) else i.lane end,
  trouble_since = case when :target = 'ready' then null else coalesce(i.trouble_since, clock_timestamp()) end,
  trigger = :trigger, actor = :actor, host = '', job = '', log = '',
  reason_code = :reason_code, reason = :reason, since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, i.run_id, i.campaign_id, l.was_owner as owner,
  l.was_step as step, i.step as next_step, i.lane, i.phase;

-- name: reset
-- any -> an earlier state, ready, with a new epoch.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, version bigint)
), locked as (
  select i.id, i.epoch as was_epoch, i.owner as was_owner, i.step as was_step, s.step as next_step, s.state as to_state
  from wanted w join item i on i.id = w.item join run on run.id = i.run_id
  join step_rule s on s.pipeline_id = i.pipeline_id and s.state = :state and s.scope = i.scope
  left join step_rule p on p.pipeline_id = i.pipeline_id and p.state = i.state
  where i.phase = any(:sources) and (w.version is null or i.version = w.version) and run.known_kind
    and s.rank <= coalesce(p.rank, 1000000)
  order by i.id for no key update of i
)
update item i set
  state = l.to_state, phase = 'ready', step = l.next_step, epoch = i.epoch + 1, version = i.version + 1,
  owner = null, lease_until = null, submitted_at = null, not_before = null, trouble_since = null,
  failures = 0, interrupts = 0, nodes = '{}', request = '{}', lane = coalesce(:lane, i.lane),
  trigger = 'reset', actor = :actor, host = '', job = '', log = '',
  reason_code = :reason_code, reason = :reason, since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, i.run_id, i.file_id, i.campaign_id,
  l.was_owner as owner, l.was_step as step, i.step as next_step, i.lane, i.phase;

-- name: advance_quietly
-- ready -> next state without work: the run type bypasses the step, or the file has what the step would make.
with locked as (
  select i.id, s.to_state, n.step as next_step,
    case when i.kind = any(s.bypassed_by) then 'bypassed' else 'reused' end as how
  from item i join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state and s.scope = i.scope
  left join step_rule n on n.pipeline_id = i.pipeline_id and n.state = s.to_state and n.scope = i.scope
  where i.id = any(:ids) and i.phase = 'ready' and (i.kind = any(s.bypassed_by) or (
    s.owned_by = 'file' and (
      (s.makes = 'product' and exists (select from product p where p.file_id = i.file_id and p.step = s.step
         and p.campaign_id is null and p.superseded_at is null and p.item_id <> i.id))
      or (s.makes = 'copy' and exists (select from replica r where r.file_id = i.file_id and r.step = s.step
         and r.retired_at is null and r.item_id <> i.id)))))
  order by i.id for no key update of i
)
update item i set
  state = l.to_state, phase = case when l.next_step is null then 'done' else 'ready' end, step = l.next_step,
  epoch = i.epoch + case when l.next_step is null then 0 else 1 end, version = i.version + 1,
  trigger = l.how, actor = 'conductor', host = '', job = '', log = '', reason_code = '',
  reason = case when l.how = 'bypassed' then 'run type ' || i.kind || ' bypasses this step'
    else 'the file has this from another campaign' end,
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, i.epoch, i.step, i.lane, i.phase;

-- name: gather
-- A run's item moves on (or back) with its files: to :state of its pipeline, waiting, ready or done. One that is held
-- or abandoned goes back as such, and keeps who did that, why and since when.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as r(item bigint, version bigint, state text, phase text, step text, trigger text, reason text)
), locked as (
  select i.id, i.epoch as was_epoch, i.owner as was_owner, i.step as was_step, w.state, w.phase, w.step, w.trigger,
    w.reason, w.phase in ('held', 'abandoned') as kept
  from wanted w join item i on i.id = w.item
  where i.version = w.version
  order by i.id for no key update of i
)
update item i set
  state = l.state, phase = l.phase, step = l.step, version = i.version + 1,
  epoch = i.epoch + case when l.phase = 'ready' or l.trigger = 'retreat' then 1 else 0 end,
  owner = null, lease_until = null, submitted_at = null, not_before = null,
  trouble_since = case when l.kept then i.trouble_since end,
  failures = 0, interrupts = 0, nodes = '{}',
  trigger = l.trigger, actor = case when l.kept then i.actor else 'conductor' end, host = '', job = '', log = '',
  reason_code = case when l.kept then i.reason_code else '' end,
  reason = case when l.kept then i.reason else l.reason end,
  since = case when l.kept then i.since else clock_timestamp() end, changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item, i.epoch, i.version, i.run_id, i.campaign_id, i.state, i.phase, i.step, i.lane,
  l.was_epoch, l.was_owner, l.was_step;

-- name: reclassify
-- Every item of a run in one campaign starts again under another run type, and another campaign where needed.
with locked as (
  select i.id, i.epoch as was_epoch, i.owner as was_owner, i.step as was_step
  from item i where i.run_id = :run_id and i.campaign_id = :campaign_id
  order by i.id for no key update of i
)
update item i set
  campaign_id = :to_campaign_id, pipeline_id = :to_pipeline_id, kind = :kind, lane = :lane,
  state = s.state, step = case when i.scope = 'file' then s.step end,
  phase = case when i.scope = 'run' then 'waiting' when i.phase = 'abandoned' then 'abandoned'
    when :held_as = '' then 'ready' else 'held' end,
  epoch = i.epoch + 1, version = i.version + 1, owner = null, lease_until = null, submitted_at = null,
  not_before = null, trouble_since = null, failures = 0, interrupts = 0, nodes = '{}', request = '{}',
  trigger = 'reclassify', actor = :actor, host = '', job = '', log = '',
  reason_code = :held_as, reason = :reason,
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked l, step_rule s
where i.id = l.id and s.pipeline_id = :to_pipeline_id and s.rank = 0
returning i.id as item, l.was_epoch as epoch, i.epoch as now_epoch, l.was_owner as owner, l.was_step as step,
  i.step as next_step, i.lane, i.phase, i.scope;

-- name: insert_items
-- (nothing) -> arrived: a registered file becomes an item of its run's campaign; held where the type is unknown.
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, lane, trigger, actor,
  reason_code, reason, trouble_since)
select c.id, c.pipeline_id, w.run_id, w.file_id, w.scope, coalesce(run.kind, ''), s.state,
  case when w.scope = 'run' then 'waiting' when run.known_kind then 'ready' else 'held' end,
  case when w.scope = 'file' then s.step end, c.lane, 'arrive', :actor,
  case when w.scope = 'run' or run.known_kind then '' else 'run-type-unknown' end, coalesce(w.reason, ''),
  case when w.scope = 'run' or run.known_kind then null else clock_timestamp() end
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(run_id bigint, file_id bigint, scope text, campaign_id bigint, reason text)
join campaign c on c.id = w.campaign_id join run on run.id = w.run_id
join step_rule s on s.pipeline_id = c.pipeline_id and s.rank = 0
order by w.run_id, w.file_id
on conflict do nothing
returning id as item, epoch, run_id, file_id, campaign_id, step, lane, phase, scope,
  exists (select from step_rule s where s.pipeline_id = item.pipeline_id and s.step = item.step
    and (s.owned_by = 'file' or item.kind = any(s.bypassed_by))) as passable;

-- name: insert_campaign
insert into campaign (name, pipeline_id, kind, lane, weight, status, created_by, note, start_state, query, status_by,
  status_reason, status_since)
values (:called, :pipeline_id, 'bulk', :lane, :weight, 'making', :actor, :note, :start_state, cast(:query as jsonb),
  :actor, :reason, clock_timestamp())
on conflict (name) do nothing
returning id;

-- name: begin_growing
-- A campaign is to take in runs: a job that commits pages.
insert into operation (actor, action, selection, reason, total, lane, started_at)
values (:actor, :action, cast(:selection as jsonb), :reason, :total, :lane, clock_timestamp())
returning id;

-- name: campaign_files
-- (nothing) -> the campaign's first state, ready: files that a campaign takes in become its items. The runs are locked;
-- a run whose type has changed since the file was judged is left for the next time.
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, lane, trigger, actor, reason)
select c.id, c.pipeline_id, w.run_id, w.file_id, 'file', run.kind, s.state, 'ready', s.step, c.lane, 'arrive', :actor,
  :reason
from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, file_id bigint, kind text)
join campaign c on c.id = :campaign_id join run on run.id = w.run_id and run.kind = w.kind
join step_rule s on s.pipeline_id = c.pipeline_id and s.state = c.start_state
order by w.run_id, w.file_id
on conflict do nothing
returning id as item, epoch, run_id, file_id, campaign_id, step, lane, phase, scope,
  exists (select from step_rule s where s.pipeline_id = item.pipeline_id and s.step = item.step
    and (s.owned_by = 'file' or item.kind = any(s.bypassed_by))) as passable;

-- name: growing
-- The campaign's job that was longest not looked after, and that nobody is at just now.
select id from operation where status = 'running' and action in ('campaign-create', 'campaign-grow')
order by coalesce(seen_at, at), id limit 1 for no key update skip locked;

-- name: hold_growth
-- A campaign's job and the campaign, locked: who makes another page of it, or closes it, waits for this one.
select o.id, o.status, o.actor, o.reason, o.selection, o.changed, o.total, c.id as campaign_id, c.status as campaign_status
from operation o join campaign c on c.id = cast(o.selection ->> 'campaign_id' as bigint)
where o.id = :id for no key update of o, c;

-- name: grown
-- A page of a campaign's job is made: how far it is, and whether that was the last one.
update operation set changed = changed + :changed, done = done + :done, seen_at = clock_timestamp(),
  selection = selection || cast(:at as jsonb),
  status = case when :ended then 'done' else 'running' end,
  finished_at = case when :ended then clock_timestamp() end
where id = :id;

-- name: end_growth
-- A campaign's job cannot be carried on with, or is to be left: what is made stays.
update operation set status = :status, why = :why, finished_at = clock_timestamp() where id = :id and status = 'running'
returning cast(selection ->> 'campaign_id' as bigint) as campaign_id, selection -> 'left_out' as left_out;

-- name: campaign_made
-- making -> open: a campaign has all that it was to take in, and no other job goes on.
update campaign c set status = case when c.status = 'making' then 'open' else c.status end,
  left_out = cast(:left_out as jsonb)
where c.id = :campaign_id and not exists (select from operation o where o.status = 'running'
  and o.action in ('campaign-create', 'campaign-grow') and o.selection @> jsonb_build_object('campaign_id', c.id));

-- name: set_campaign
-- What an operator says of a campaign: making, open, paused or closed.
update campaign set status = :status, status_by = :actor, status_reason = :reason, status_since = clock_timestamp()
where id = :campaign_id;

-- name: hold_runs
-- These runs, locked in id order; none of them where one is missing, for it has to be made before any is locked.
select number, kind from run where number = any(:numbers)
  and (select count(*) from run r where r.number = any(:numbers)) = cardinality(cast(:numbers as bigint[]))
order by id for no key update;

-- name: insert_files
insert into file (run_id, sequence, name, site, path, size, mtime_ns, closed_ns, inbox, registered_at)
select w.run_id, w.sequence, w.name, w.site, w.path, w.size, w.mtime_ns, w.closed_ns, w.inbox, clock_timestamp()
from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, sequence integer, name text, site text, path text,
  size bigint, mtime_ns bigint, closed_ns bigint, inbox text)
order by w.run_id, w.sequence
on conflict do nothing
returning id, run_id, name, site, path, size;

-- name: register_expected
-- An announced file has come: it gets its place, size and time, and is no longer missing.
update file f set site = w.site, path = w.path, size = w.size, mtime_ns = w.mtime_ns, closed_ns = w.closed_ns,
  inbox = w.inbox, registered_at = clock_timestamp(), sequence = coalesce(f.sequence, w.sequence), name = w.name,
  waived_at = null
from jsonb_to_recordset(cast(:rows as jsonb)) as w(id bigint, sequence integer, name text, site text, path text,
  size bigint, mtime_ns bigint, closed_ns bigint, inbox text)
where f.id = w.id and f.registered_at is null
returning f.id, f.run_id, f.name, f.site, f.path, f.size;

-- name: insert_expected
insert into file (run_id, sequence, name, expected_size, expected_adler32)
select w.run_id, w.sequence, w.name, w.size, w.adler32
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(run_id bigint, sequence integer, name text, size bigint, adler32 text)
order by w.run_id, w.name
on conflict do nothing
returning id;

-- name: announce_again
-- What is said now of an announced file's sum counts, of one that came before its announcement too; no sum changes
-- nothing. Gives the files that have been read already.
with wanted as (
  select f.id, w.adler32, f.expected_adler32 as before
  from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, name text, adler32 text)
  join file f on f.run_id = w.run_id and f.name = w.name
  where w.adler32 <> '' and f.expected_adler32 is distinct from w.adler32
  order by f.id for no key update of f
)
update file f set expected_adler32 = wanted.adler32 from wanted where f.id = wanted.id
returning f.id, f.name, f.path, f.adler32, f.expected_adler32, wanted.before;

-- name: items_announced
-- The items of files of which another sum is announced now.
select i.id from jsonb_to_recordset(cast(:rows as jsonb)) as w(run bigint, name text, adler32 text)
join run on run.number = w.run join file f on f.run_id = run.id and f.name = w.name
join item i on i.file_id = f.id
where w.adler32 <> '' and f.expected_adler32 is distinct from w.adler32;

-- name: failed_of_files
-- The items of these files that failed for this reason and that nobody has put aside since.
select id as item, version from item
where file_id = any(:files) and phase = 'failed' and reason_code = :reason_code
order by id;

-- name: announced_sums
-- The files of these items of which a sum was announced.
select i.id as item, f.name, f.expected_adler32, run.number
from item i join file f on f.id = i.file_id join run on run.id = f.run_id
where i.id = any(:ids) and f.expected_adler32 <> '';

-- name: insert_raw_replicas
-- Files that are registered now: their raw replicas; and what stood in their way is over, but not what stands in that
-- of one at another site.
with arrived as materialized (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as w(run_id bigint, file_id bigint, site text, path text, size bigint, place text)
), cleared as (
  update dead_letter d set cleared_at = clock_timestamp() from arrived w
  where d.subject = w.path and d.queue = 'arrivals' and d.cleared_at is null
    and (d.payload = w.place or right(d.payload, length(w.path) + 1) <> ':' || w.path)
)
insert into replica (run_id, file_id, role, step, site, path, status, size)
select w.run_id, w.file_id, 'raw', '', w.site, w.path, 'present', w.size from arrived w
order by w.file_id
on conflict do nothing;

-- name: insert_attempts
-- An attempt begins (a `started` report) or is written down whole when it ends.
insert into attempt (item_id, epoch, step, owner, host, job, started_at, ended_at, outcome, reason_code, reason,
  log_site, log, usage)
select w.item, w.epoch, w.step, coalesce(w.owner, ''), coalesce(w.host, ''), coalesce(w.job, ''), w.started_at,
  case when w.outcome = 'running' then null else clock_timestamp() end, w.outcome,
  coalesce(w.reason_code, ''), coalesce(w.reason, ''), coalesce(w.log_site, ''), coalesce(w.log, ''),
  coalesce(w.usage, '{}')
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, step text, owner text, host text,
  job text, started_at timestamptz, outcome text, reason_code text, reason text, log_site text, log text,
  usage jsonb)
order by w.item
on conflict (item_id, epoch) do update set
  ended_at = excluded.ended_at, outcome = excluded.outcome, reason_code = excluded.reason_code,
  reason = excluded.reason, usage = excluded.usage,
  owner = coalesce(nullif(excluded.owner, ''), attempt.owner),
  host = coalesce(nullif(excluded.host, ''), attempt.host),
  job = coalesce(nullif(excluded.job, ''), attempt.job),
  log_site = coalesce(nullif(excluded.log_site, ''), attempt.log_site),
  log = coalesce(nullif(excluded.log, ''), attempt.log)
where attempt.outcome = 'running';

-- name: end_attempts
-- An operator or the sweeper has taken items away from a running attempt.
update attempt a set ended_at = clock_timestamp(), outcome = w.outcome, reason_code = w.reason_code, reason = w.reason
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(item bigint, epoch bigint, outcome text, reason_code text, reason text)
where a.item_id = w.item and a.epoch = w.epoch and a.outcome = 'running';

-- name: insert_late
insert into late (item_id, epoch, owner, trigger, cause, host, reason)
select w.item, w.epoch, w.owner, w.trigger,
  case when i.id is null then 'unknown-item' when i.epoch <> w.epoch then 'stale-epoch'
    when i.owner is not null and i.owner <> w.owner then 'other-owner' else 'phase-' || i.phase end,
  w.host, coalesce(w.reason, '')
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(item bigint, epoch bigint, owner text, trigger text, host text, reason text)
left join item i on i.id = w.item
where not coalesce(w.trigger = 'start' and i.phase = 'executing' and i.epoch = w.epoch and i.owner = w.owner, false)
returning item_id as item, epoch, owner, cause;

-- name: supersede_products
-- Accepted products of these items' steps give way: a reset, or a newer acceptance.
update product p set superseded_at = clock_timestamp(), superseded_reason = w.reason
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, step text, keep_epoch bigint, reason text)
where p.item_id = w.item and p.step = w.step and p.superseded_at is null
  and p.epoch is distinct from w.keep_epoch
returning p.id;

-- name: insert_products
insert into product (run_id, file_id, campaign_id, item_id, epoch, step, name, type, size, adler32, blake3,
  event_first, event_last, events, software, configuration, metadata)
select w.run_id, w.file_id, w.campaign_id, w.item, w.epoch, w.step, w.name, w.type, w.size, w.adler32, w.blake3,
  w.event_first, w.event_last, w.events, w.software, w.configuration, w.metadata
from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, file_id bigint, campaign_id bigint, item bigint,
  epoch bigint, step text, name text, type text, size bigint, adler32 text, blake3 text, event_first bigint,
  event_last bigint, events bigint, software text, configuration text, metadata jsonb)
order by w.item
returning id, item_id as item, epoch, name;

-- name: insert_replicas
insert into replica (run_id, file_id, product_id, role, step, site, path, status, size, adler32, blake3,
  verified_at, item_id, epoch)
select w.run_id, w.file_id, w.product_id, w.role, w.step, w.site, w.path, 'verified', w.size, w.adler32, w.blake3,
  clock_timestamp(), w.item, w.epoch
from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, file_id bigint, product_id bigint, role text,
  step text, site text, path text, size bigint, adler32 text, blake3 text, item bigint, epoch bigint)
order by w.item
on conflict (site, path) do nothing
returning id, site, path;

-- name: insert_salt
insert into salt_record (product_id, file_id, key_id, sealed)
select w.product_id, w.file_id, w.key_id, decode(w.sealed, 'base64')
from jsonb_to_recordset(cast(:rows as jsonb)) as w(product_id bigint, file_id bigint, key_id text, sealed text)
order by w.product_id;

-- name: raw_checksums
-- The first step that read a raw file says what it found; the record keeps the first answer.
update file f set adler32 = w.adler32, blake3 = w.blake3
from jsonb_to_recordset(cast(:rows as jsonb)) as w(file_id bigint, adler32 text, blake3 text)
where f.id = w.file_id and f.blake3 is null;

-- name: file_events
update file f set event_first = w.first, event_last = w.last, events = w.count
from jsonb_to_recordset(cast(:rows as jsonb)) as w(file_id bigint, first bigint, last bigint, count bigint)
where f.id = w.file_id and f.events is null;

-- name: insert_catalog
insert into catalog_entry (item_id, epoch, step, file_id, run_id, campaign_id, facts)
select w.item, w.epoch, w.step, w.file_id, w.run_id, w.campaign_id, w.facts
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(item bigint, epoch bigint, step text, file_id bigint, run_id bigint, campaign_id bigint, facts jsonb)
order by w.item
on conflict (item_id, step) do update set facts = excluded.facts, epoch = excluded.epoch,
  created_at = clock_timestamp();

-- name: insert_settle
-- A folder in which an accepted replica lies is never ordered removed ('0' is the character after '/').
insert into settle (action, site, path, link, replica_id)
select w.action, w.site, w.path, w.link, w.replica_id
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(action text, site text, path text, link text, replica_id bigint)
where not (w.action = 'clean' and exists (select from replica r
  where r.site = w.site and r.path >= w.path || '/' and r.path < w.path || '0'))
order by w.site, w.path
on conflict (action, site, path) do nothing;

-- name: fold_counts
-- Folds the deltas that are visible now into the totals: of each run, and of all together. One process at a time (an
-- advisory lock).
with taken as (
  delete from count_delta where id in (select id from count_delta order by id limit :page) returning *
), of_runs as (
  insert into count_total (run_id, campaign_id, scope, state, phase, site, n)
  select run_id, campaign_id, scope, state, phase, site, sum(n) from taken
  group by run_id, campaign_id, scope, state, phase, site
  on conflict (run_id, campaign_id, scope, state, phase, site) do update set n = count_total.n + excluded.n
)
insert into count_whole (campaign_id, scope, state, phase, site, n)
select campaign_id, scope, state, phase, site, sum(n) from taken
group by campaign_id, scope, state, phase, site
on conflict (campaign_id, scope, state, phase, site) do update set n = count_whole.n + excluded.n;

-- name: drop_zero_counts
-- A run that is done leaves a row for where its files are, and none for where they have been.
delete from count_total where n = 0;

-- name: insert_dead
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number, payload, size, mtime_ns)
select w.fingerprint, w.queue, w.code, w.sentence, w.subject, w.run_number, w.payload, w.size, w.mtime_ns
from jsonb_to_recordset(cast(:rows as jsonb)) as w(fingerprint text, queue text, code text, sentence text,
  subject text, run_number bigint, payload text, size bigint, mtime_ns bigint)
order by w.fingerprint
on conflict (fingerprint) do update set count = dead_letter.count + 1, last_at = clock_timestamp(),
  sentence = excluded.sentence, size = excluded.size, mtime_ns = excluded.mtime_ns,
  cleared_at = null, cleared_by = '', cleared_reason = '';

-- name: insert_letters
-- Messages that could not be used, whole. What comes again, after a replay too, is the same row with a higher count.
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number, payload, body, body_size, headers, count,
  cleared_at, cleared_by, cleared_reason)
select w.fingerprint, w.queue, w.code, w.sentence, w.subject, w.run_number, w.payload, decode(w.body, 'base64'),
  w.body_size, w.headers, w.count, case when w.dealt_with then clock_timestamp() end,
  case when w.dealt_with then 'conductor' else '' end, case when w.dealt_with then 'dealt with' else '' end
from jsonb_to_recordset(cast(:rows as jsonb)) as w(fingerprint text, queue text, code text, sentence text,
  subject text, run_number bigint, payload text, body text, body_size bigint, headers jsonb, count bigint,
  dealt_with boolean)
order by w.fingerprint
on conflict (fingerprint) do update set count = dead_letter.count + excluded.count, last_at = clock_timestamp(),
  code = excluded.code, sentence = excluded.sentence, subject = excluded.subject, payload = excluded.payload,
  body = excluded.body, body_size = excluded.body_size, headers = excluded.headers, replay_error = '',
  cleared_at = excluded.cleared_at, cleared_by = excluded.cleared_by, cleared_reason = excluded.cleared_reason;

-- name: count_letters
-- Named ones are meant though they have been cleared; of a code, only the open ones are.
select count(*) as total, count(*) filter (where replayable or not :replay) as changed from dead_letter
where id = any(cast(:ids as bigint[])) or (code = :code and cleared_at is null);

-- name: ask_replay
update dead_letter set asked_at = clock_timestamp(), asked_by = :actor, asked_reason = :reason
where (id = any(cast(:ids as bigint[])) or (code = :code and cleared_at is null)) and replayable;

-- name: forget_letters
update dead_letter set cleared_at = clock_timestamp(), cleared_by = :actor, cleared_reason = :reason, asked_at = null
where id = any(cast(:ids as bigint[])) or (code = :code and cleared_at is null);

-- name: note_operation
-- What an operator did in one go.
insert into operation (actor, action, selection, reason, total, done, changed, status, finished_at)
values (:actor, :action, cast(:selection as jsonb), :reason, :total, :changed, :changed, 'done', clock_timestamp());

-- name: asked_letters
-- Dead letters that somebody wants tried again, locked: one conductor does each.
select id, queue, body, headers from dead_letter where asked_at is not null
order by id limit :room for update skip locked;

-- name: letters_replayed
-- They are on their way: a message leaves the list, a file waits for the watcher. What is still bad comes back.
update dead_letter d set asked_at = null, replayed_at = now.at, replayed_by = d.asked_by,
  replays = d.replays + 1, replay_error = '',
  cleared_at = case when d.queue = 'arrivals' then d.cleared_at else now.at end,
  cleared_by = case when d.queue = 'arrivals' then d.cleared_by else d.asked_by end,
  cleared_reason = case when d.queue = 'arrivals' then d.cleared_reason else 'replayed: ' || d.asked_reason end
from jsonb_to_recordset(cast(:rows as jsonb)) as w(id bigint), (select clock_timestamp() as at) as now
where d.id = w.id;

-- name: letters_unroutable
update dead_letter d set asked_at = null, replay_error = w.error
from jsonb_to_recordset(cast(:rows as jsonb)) as w(id bigint, error text) where d.id = w.id;

-- name: begin_reigns
-- Somebody else, or the same one over a new channel, consumes a lane now. Others may have been given what was sent
-- before this moment, and may not have applied it.
insert into watermark (lane, reign, applied_at)
select w.lane, w.reign, '-infinity' from jsonb_to_recordset(cast(:rows as jsonb)) as w(lane text, reign text)
order by w.lane
on conflict (lane) do update set reign = excluded.reign, reign_since = clock_timestamp()
where watermark.reign <> excluded.reign;

-- name: store_checkpoints
-- Where replay starts for the items :after to :upto, once their history from :first to :until is gone. Said again it
-- changes nothing; of two months the later version counts, and of what happened earlier the first or last in either.
insert into history_checkpoint as c
  (item_id, version, at, state, phase, epoch, campaign_id, accepted_epoch, duplicate_version, released_version)
select distinct on (item_id) item_id, version, at, to_state, to_phase, to_epoch, campaign_id,
  coalesce(max(epoch) filter (where trigger in ('succeed', 'skipped')) over mine, 0),
  min(version) filter (where reason_code = 'duplicate-content') over mine,
  max(version) filter (where trigger in ('release', 'recover')) over mine
from history where at >= :first and at < :until and item_id > :after and item_id <= :upto
window mine as (partition by item_id)
order by item_id, version desc
on conflict (item_id) do update set
  (version, at, state, phase, epoch, campaign_id) = (select later.* from (values
    (excluded.version, excluded.at, excluded.state, excluded.phase, excluded.epoch, excluded.campaign_id),
    (c.version, c.at, c.state, c.phase, c.epoch, c.campaign_id)) as later(v) order by later.v desc limit 1),
  accepted_epoch = greatest(c.accepted_epoch, excluded.accepted_epoch),
  duplicate_version = least(c.duplicate_version, excluded.duplicate_version),
  released_version = greatest(c.released_version, excluded.released_version)
where excluded.version > c.version or excluded.accepted_epoch > c.accepted_epoch
  or least(c.duplicate_version, excluded.duplicate_version) is distinct from c.duplicate_version
  or greatest(c.released_version, excluded.released_version) is distinct from c.released_version;

-- name: without_checkpoint
-- Whether a line from :first to :until has no checkpoint that covers it: it came after its item's page was stored.
select count(*) as n from history h
where h.at >= :first and h.at < :until
  and not exists (select from history_checkpoint c where c.item_id = h.item_id and c.version >= h.version)
having count(*) > 0;

-- name: drop_late
-- Reports that came too late before :until; only who, when and why is lost.
delete from late where id in (select id from late where at < :until order by id limit :page) returning id;

-- name: mark_applied
-- A marker sent within the present reign has come: one consumer has applied everything that was sent before it.
update watermark m set applied_at = greatest(m.applied_at, least(w.sent_at, clock_timestamp()))
from jsonb_to_recordset(cast(:rows as jsonb)) as w(lane text, reign text, sent_at timestamptz)
where m.lane = w.lane and m.reign = w.reign and m.reign_since < w.sent_at;

-- name: anything_out
select exists (select from item where phase = 'executing') or exists (select from item where phase = 'submitted');

-- name: see_process
-- Processes were heard of; written once a second, or where they say something new. Gives what is paused, of which a
-- worker that is heard of has to be told. Whoever takes another one's id by mistake changes nothing of another role. A
-- launcher keeps its id on its host, also when the next one is of another version.
with seen as (
  insert into process (owner, role, host, pid, version, detail)
  select w.owner, w.role, w.host, w.pid, w.version, w.detail
  from jsonb_to_recordset(cast(:rows as jsonb))
    as w(owner text, role text, host text, pid bigint, version text, detail jsonb)
  order by w.owner
  on conflict (owner) do update
    set seen_at = clock_timestamp(), detail = excluded.detail, version = excluded.version
  where process.role = excluded.role and (process.detail <> excluded.detail or process.version <> excluded.version
    or process.seen_at < clock_timestamp() - interval '1 second')
)
select what, name from pause where what <> 'site';

-- name: hear_pilots
-- Pilots have said where they run and what they have; one that is over stays so. A row that its launcher is just
-- writing is left out: the pilot says it again soon, and nobody waits crosswise. Gives the tokens that are known.
with said as (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as w(token text, job text, node text, ends_at timestamptz, detail jsonb)
), locked as (
  select p.id, w.* from pilot p join said w on w.token = p.token
  where p.status <> all(:over)
  order by p.id for no key update of p skip locked
), heard as (
  update pilot p set
    status = 'running', node = coalesce(nullif(l.node, ''), p.node), job = coalesce(nullif(l.job, ''), p.job),
    started_at = coalesce(p.started_at, clock_timestamp()), heard_at = clock_timestamp(),
    ends_at = coalesce(l.ends_at, p.ends_at), detail = p.detail || l.detail
  from locked l where p.id = l.id
)
select p.token from pilot p where p.token in (select token from said);

-- name: forget_silent
delete from process p where p.seen_at < statement_timestamp() - interval '7 days'
  and exists (select from process o where o.role = p.role and o.seen_at > p.seen_at);

-- name: forget_workers_of_pilots
-- They come and go with their jobs: a day after the end of a pilot only what they did is kept, in the attempts. Looks at
-- the pilots that ended in two hours only, as it is asked all the time; whom it misses, a week forgets.
delete from process w using pilot p
where p.ended_at between statement_timestamp() - interval '26 hours' and statement_timestamp() - interval '24 hours'
  and w.detail ->> 'pilot' = p.token and w.detail ->> 'pilot' <> ''
  and w.seen_at < statement_timestamp() - interval '1 hour';

-- name: lock_launcher
-- One round of a launcher at a time, so that of two of one name only one goes on.
select pg_advisory_xact_lock(hashtext(current_schema() || '.launcher'), hashtext(:launcher));

-- name: other_launchers
-- Launchers that call themselves alike and were heard of lately, or within three of their intervals.
select p.host, p.owner, s.silent_s, s.keeps_s - s.silent_s as left_s
from process p cross join lateral (
  select extract(epoch from clock_timestamp() - p.seen_at) as silent_s,
    greatest(:lately_s, 3 * coalesce(cast(p.detail ->> 'interval_s' as double precision), 0)) as keeps_s
) s
where p.role = 'launcher' and p.detail ->> 'launcher' = :launcher and p.owner <> :owner and s.silent_s < s.keeps_s
order by p.seen_at desc;

-- name: intend_pilots
-- Pilots are written down before they are asked for; what is there already stays as it is.
insert into pilot (token, launcher, name, steps, large, request)
select w.token, :launcher, w.name, w.steps, w.large, w.request
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(token text, name text, steps text, large boolean, request jsonb)
order by w.token
on conflict (token) do nothing returning id;

-- name: tokens_of_others
-- Those of these tokens that stand for pilots of another launcher, or of another name.
select p.token, p.launcher, p.name
from jsonb_to_recordset(cast(:rows as jsonb)) as w(token text, name text)
join pilot p on p.token = w.token where p.launcher <> :launcher or p.name <> w.name
order by p.token;

-- name: see_pilots
-- intended -> pending -> running -> ended or refused, never back; only a job that was requeued begins anew. What comes
-- after the end fills in what was not known, and what accounting says of it. What is not said stays as it was. Workers
-- of the earlier start are told by the time: those that began shortly before the new one are left to their leases, as
-- the batch system's clock is not ours, and a worker of the new start must not be taken for one of them.
with said as (
  select w.*, array_position(:order, w.status) as place
  from jsonb_to_recordset(cast(:rows as jsonb)) as w(token text, status text, job text, node text, state text, code text,
    reason text, log text, restarts bigint, submitted_at timestamptz, started_at timestamptz, ends_at timestamptz,
    ended_at timestamptz, usage jsonb)
), locked as (
  select p.id, p.status as was, w.*, p.status = any(:over) as was_over, w.restarts > p.restarts as again,
    w.status = any(:over) as is_over, w.place < array_position(:order, p.status) and w.restarts <= p.restarts as stale
  from said w join pilot p on p.token = w.token
  where p.launcher = :launcher
  order by p.id for no key update of p
)
update pilot p set
  status = case when l.was_over or l.stale then p.status else l.status end,
  job = case when l.was_over or l.job = '' then coalesce(nullif(p.job, ''), l.job) else l.job end,
  node = case when l.was_over or l.stale then coalesce(nullif(p.node, ''), l.node)
    when l.again then l.node else coalesce(nullif(l.node, ''), p.node) end,
  state = case when l.was_over or l.stale or l.state = '' then p.state else l.state end,
  code = case when l.was_over then coalesce(nullif(p.code, ''), l.code) when l.is_over then l.code else p.code end,
  reason = case when l.was_over then coalesce(nullif(p.reason, ''), l.reason) when l.stale
    or (l.reason = '' and l.status = p.status and not l.again) then p.reason else l.reason end,
  log = coalesce(nullif(l.log, ''), p.log),
  restarts = case when l.was_over then p.restarts else greatest(p.restarts, l.restarts) end,
  submitted_at = coalesce(p.submitted_at, l.submitted_at, case when l.status in ('pending', 'running')
    then clock_timestamp() end),
  started_at = case when l.was_over or l.stale then coalesce(p.started_at, l.started_at)
    when l.again then l.started_at else coalesce(l.started_at, p.started_at,
      case when l.status = 'running' then clock_timestamp() end) end,
  ends_at = case when l.again then l.ends_at else coalesce(l.ends_at, p.ends_at) end,
  ended_at = case when l.was_over then p.ended_at when l.is_over then coalesce(l.ended_at, clock_timestamp()) end,
  usage = p.usage || coalesce(l.usage, '{}'),
  detail = case when l.again and not l.was_over and not l.is_over then p.detail || jsonb_build_object(
      'requeued_at', least(case when l.status = 'running' then l.started_at end, clock_timestamp()) - interval '30 s',
      'requeued', l.code) else p.detail end,
  heard_at = case when l.again and not l.was_over then null else p.heard_at end,
  seen_at = clock_timestamp()
from locked l where p.id = l.id
returning p.id, not l.was_over and (l.is_over or l.again) as lost;

-- name: end_pilot_leases
-- The leases of what workers of pilots execute that are over, or that began before their job was requeued, end now. Not a
-- change of state: the sweeper takes the items back once all that was sent before has been applied. Who is being
-- reported of at this moment is left to the next look.
with lost as (
  select i.id from item i join process w on w.owner = i.owner
  join pilot p on p.token = w.detail ->> 'pilot'
  where i.phase = 'executing' and i.lease_until > clock_timestamp()
    and (p.status = any(:over) or w.started_at < cast(p.detail ->> 'requeued_at' as timestamptz))
  order by i.id for no key update of i skip locked
)
update item i set lease_until = clock_timestamp() from lost where i.id = lost.id returning i.id as item;

-- name: pilots_of_launcher
-- What a launcher has to know of its pilots: those that are not over, those that ended lately, and of each name that it
-- keeps the last few that were not withdrawn, however long ago: by them it knows for how long the name has to rest.
select token, name, status, created_at, large, coalesce(request -> 'stay' = 'true', false) as stay, job, node, state,
  code, reason, restarts, started_at, ends_at, ended_at, heard_at, told
from pilot where launcher = :launcher and ended_at is null
union
select token, name, status, created_at, large, coalesce(request -> 'stay' = 'true', false) as stay, job, node, state,
  code, reason, restarts, started_at, ends_at, ended_at, heard_at, told
from pilot where launcher = :launcher and ended_at > statement_timestamp() - make_interval(secs => :lately_s)
union
select p.token, p.name, p.status, p.created_at, p.large, coalesce(p.request -> 'stay' = 'true', false), p.job, p.node,
  p.state, p.code, p.reason, p.restarts, p.started_at, p.ends_at, p.ended_at, p.heard_at, p.told
from unnest(cast(:names as text[])) as n(name) cross join lateral (
  select * from pilot
  where launcher = :launcher and name = n.name and ended_at is not null and code <> 'withdrawn'
  order by id desc limit :last) p
order by created_at, token;

-- name: lock_pilot
select id, token, launcher, name, status, job, reason, told, told_by from pilot where id = :id for no key update;

-- name: tell_pilot
-- An operator's word, for the launcher to do.
update pilot set told = :word, told_by = :actor, told_reason = :reason, told_at = clock_timestamp() where id = :id;

-- name: ready_items
-- What waits for a step and lane, oldest first, leaving out what is paused or not due.
select i.id as item, i.epoch from item i join campaign c on c.id = i.campaign_id
where i.phase = 'ready' and i.step = :step and i.lane = :lane
  and (i.not_before is null or i.not_before <= clock_timestamp()) and c.status <> 'paused'
order by i.priority, i.id limit :room;

-- name: ready_items_shared
-- What waits for a step in the bulk lane, of each campaign its first; leaving out what is paused, not due, or would
-- write to a paused site. Campaigns are asked one by one, or each look would read all that waits in those before.
with recursive waiting as (
  (select campaign_id as id from item where phase = 'ready' and lane = 'bulk' and step = :step
    order by campaign_id limit 1)
  union all
  select (select i.campaign_id from item i where i.phase = 'ready' and i.lane = 'bulk' and i.step = :step
    and i.campaign_id > w.id order by i.campaign_id limit 1)
  from waiting w where w.id is not null
)
select i.id as item, i.epoch, c.id as campaign, c.weight
from waiting w join campaign c on c.id = w.id and c.status <> 'paused'
cross join lateral (
  select id, epoch, priority from item
  where phase = 'ready' and lane = 'bulk' and step = :step and campaign_id = c.id
    and (not_before is null or not_before <= clock_timestamp())
    and (pipeline_id, kind) not in (select b.pipeline_id, b.kind
      from jsonb_to_recordset(cast(:blocked as jsonb)) as b(pipeline_id bigint, kind text))
  order by priority, id limit :room
) i
order by c.id, i.priority, i.id;

-- name: ready_items_elsewhere
-- The same, leaving out those that would write to a paused site.
select i.id as item, i.epoch from item i join campaign c on c.id = i.campaign_id
where i.phase = 'ready' and i.step = :step and i.lane = :lane
  and (i.not_before is null or i.not_before <= clock_timestamp()) and c.status <> 'paused'
  and (i.pipeline_id, i.kind) not in (
    select b.pipeline_id, b.kind from jsonb_to_recordset(cast(:rows as jsonb)) as b(pipeline_id bigint, kind text))
order by i.priority, i.id limit :room;

-- name: expired_leases
-- Executing items whose lease ended before everything sent by then has been applied, locked: a heartbeat that is
-- being applied now is not overtaken. With each the pilot that its worker was of, and whether that is over for it.
select i.id as item, i.epoch, i.owner, i.host, p.id as pilot, p.job, p.node, p.code, p.reason,
  p.status = any(:over) as pilot_over, p.detail ->> 'requeued' as requeued,
  coalesce(p.detail ->> 'what' in ('draining', 'left'), false) as said_so,
  coalesce(w.started_at < cast(p.detail ->> 'requeued_at' as timestamptz), false) as before_requeue
from item i left join process w on w.owner = i.owner left join pilot p on p.token = w.detail ->> 'pilot'
where i.phase = 'executing' and i.id > :after and i.lease_until < clock_timestamp()
  and i.lease_until < coalesce((select applied_at from watermark where lane = i.lane), '-infinity')
order by i.id limit :page for no key update of i skip locked;

-- name: lost_hints
-- Still submitted although the message has left its queue and everything that could be said of it has been applied.
select i.id as item, i.epoch from item i
where i.phase = 'submitted' and i.step = :step and i.lane = :lane and (i.request <> '{}') = :large
  and i.submitted_at <= :gone_by and i.submitted_at < clock_timestamp() - make_interval(secs => :older_s)
order by i.submitted_at limit :page;

-- name: newest_submitted
-- The hint of a step and lane that went out last, of those that went out once: of one that was sent again the first
-- message may still come, long before the second one's turn.
select i.id as item, i.epoch, i.submitted_at from item i
where i.phase = 'submitted' and i.step = :step and i.lane = :lane and (i.request <> '{}') = :large
  and i.submitted_at < i.since + interval '0.1 s'
order by i.submitted_at desc limit 1;

-- name: taken_up
-- Those of some hints that a worker has said a word of; not those that an operator took away.
select a.item_id as item, a.epoch
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint)
join attempt a on a.item_id = w.item and a.epoch = w.epoch;

-- name: applied_until
select greatest(max(applied_at), '1900-01-01') as applied_at from watermark where lane = :lane;

-- name: resent
-- The same hint has gone out again: the wait begins anew, the epoch stays. Not a change of state.
with wanted as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, epoch bigint)
), locked as (
  select i.id from wanted w join item i on i.id = w.item
  where i.epoch = w.epoch and i.phase = 'submitted' order by i.id for no key update of i
)
update item i set submitted_at = clock_timestamp() from locked where i.id = locked.id
returning i.id as item, i.epoch;

-- name: files_like
-- Files that have the place, the name or the sequence number of an arrival.
with w as materialized (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as w(run_id bigint, sequence integer, name text, site text, path text)
)
select f.id, f.run_id, f.sequence, f.name, f.site, f.path, f.size, f.mtime_ns, f.expected_size, f.registered_at
from file f join w on f.site = w.site and f.path = w.path
union
select f.id, f.run_id, f.sequence, f.name, f.site, f.path, f.size, f.mtime_ns, f.expected_size, f.registered_at
from file f join w on f.run_id = w.run_id and f.name = w.name
union
select f.id, f.run_id, f.sequence, f.name, f.site, f.path, f.size, f.mtime_ns, f.expected_size, f.registered_at
from file f join w on f.run_id = w.run_id and f.sequence = w.sequence;

-- name: known_arrivals
-- Which files the database has dealt with at this size and time: registered, or refused in a dead letter. A letter
-- whose payload names the path at another site is another file's (`place` is `site:path`).
with w as materialized (
  select * from jsonb_to_recordset(cast(:rows as jsonb))
    as w(n integer, site text, path text, place text, subject text, size bigint, mtime_ns bigint)
)
select w.n from w join file f on f.site = w.site and f.path = w.path
where f.size = w.size and f.mtime_ns = w.mtime_ns and f.registered_at is not null
union
select w.n from w join dead_letter d on d.subject = w.subject
where d.size = w.size and d.mtime_ns = w.mtime_ns and d.cleared_at is null
  and (d.replayed_at is null or d.replayed_at < d.last_at)
  and (d.payload = w.place or right(d.payload, length(w.path) + 1) <> ':' || w.path);

-- name: accepted_folders
-- Which of these folders are those of accepted attempts. One worker may have several of an epoch (`e3-w`, `e3-w.2`: the
-- hint came twice): it is the one that holds what was accepted or, where nothing lies anywhere, the first.
select w.item, w.epoch, w.owner, w.path
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, owner text, path text, name text)
join attempt a on a.item_id = w.item and a.epoch = w.epoch and a.owner = w.owner
join item i on i.id = w.item
cross join lateral (
  select coalesce(bool_or(r.path >= w.path || '/' and r.path < w.path || '0'), right(w.path, length(w.name)) = w.name)
    as is_it
  from (
    select path from replica where file_id = i.file_id and item_id = w.item and epoch = w.epoch
    union all
    select path from replica where i.file_id is null and run_id = i.run_id and item_id = w.item and epoch = w.epoch
  ) r
) found
where a.outcome in ('succeeded', 'skipped') and found.is_it;

-- name: accepted_attempts
-- Which of these attempts have been accepted: whatever folders they have stay.
select a.item_id as item, a.epoch, a.owner
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint, owner text)
join attempt a on a.item_id = w.item and a.epoch = w.epoch and a.owner = w.owner
where a.outcome in ('succeeded', 'skipped');

-- name: item_names
select i.id as item, i.lane, run.number, c.name as campaign, s.owned_by, f.name as file, f.sequence
from item i join run on run.id = i.run_id join campaign c on c.id = i.campaign_id
left join file f on f.id = i.file_id
left join step_rule s on s.pipeline_id = i.pipeline_id and s.to_state = i.state
where i.id = any(:ids);

-- name: claim_contents
-- A content becomes the file's that it was first read from; of files read at once the lowest id has it. Two who
-- claim one content in the same moment meet at its key: the second waits here for the first, and gets nothing.
insert into original (blake3, file_id)
select f.blake3, f.id from item i join file f on f.id = i.file_id
where i.id = any(:ids) and f.blake3 is not null
order by f.blake3, f.id
on conflict do nothing;

-- name: hold_duplicates
-- ready -> held: this file's content is another file's, and its run type does not allow that. What an operator has
-- let through stays through, also where the history of that was dropped; a reset or another run type lets nothing
-- through. Doubles are few, so they are found first: only for them is history read.
with doubles as materialized (
  select i.id, other.name as other, other_run.number as other_run
  from item i join file f on f.id = i.file_id join pipeline p on p.id = i.pipeline_id
  join original o on o.blake3 = f.blake3 and o.file_id <> f.id
  join file other on other.id = o.file_id join run other_run on other_run.id = other.run_id
  where i.id = any(:ids) and p.definition -> 'run_types' -> i.kind ->> 'duplicates' is distinct from 'allow'
), locked as (
  select i.id, d.other, d.other_run
  from doubles d join item i on i.id = d.id left join history_checkpoint c on c.item_id = i.id
  where i.phase = any(:sources) and not coalesce((
    select greatest(max(h.version) filter (where h.trigger in ('release', 'recover')), c.released_version)
      > least(min(h.version) filter (where h.reason_code = 'duplicate-content'), c.duplicate_version)
    from history h where h.item_id = i.id), false)
  order by i.id for no key update of i
)
update item i set
  phase = 'held', version = i.version + 1, trouble_since = clock_timestamp(), trigger = 'hold', actor = 'conductor',
  host = '', job = '', log = '', reason_code = 'duplicate-content',
  reason = 'same content as ' || l.other || ' of run ' || l.other_run,
  since = clock_timestamp(), changed_at = clock_timestamp()
from locked l where i.id = l.id
returning i.id as item;

-- name: rewind
-- The files of these runs have changed: until they have been gathered, what was made of a closed one may be older.
update run set rewound_at = clock_timestamp() where id = any(:ids) and closed_at is not null and rewound_at is null;

-- name: gathered
-- These runs' own items are where their files are.
update run set rewound_at = null where id = any(:ids) and rewound_at is not null;

-- name: unfinished_runs
-- Closed runs that wait for their files, and those whose files have changed since they were gathered; in all their
-- campaigns.
with wanted as (
  (select i.run_id, i.campaign_id from item i join run on run.id = i.run_id
   where i.scope = 'run' and i.phase = 'waiting' and run.closed_at is not null and i.run_id > :after
   order by i.run_id fetch first (:page) rows with ties)
  union
  (select i.run_id, i.campaign_id from run join item i on i.run_id = run.id and i.scope = 'run'
   where run.rewound_at is not null and run.id > :after
   order by i.run_id fetch first (:page) rows with ties)
)
select run_id, campaign_id from wanted order by run_id fetch first (:page) rows with ties;

-- name: run_progress
-- For each run's item: where it is, what was announced, and how far the slowest of its files is, from kept counts.
with w as materialized (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as w(run_id bigint, campaign_id bigint)
), counted as (
  select run_id, campaign_id, state, phase, sum(n) as n from (
    select t.run_id, t.campaign_id, t.state, t.phase, t.n from count_total t join w using (run_id, campaign_id)
    where t.scope = 'file'
    union all
    select d.run_id, d.campaign_id, d.state, d.phase, d.n from count_delta d join w using (run_id, campaign_id)
    where d.scope = 'file'
  ) as both_tables
  group by run_id, campaign_id, state, phase having sum(n) <> 0
)
select i.id, i.version, i.state, i.phase, i.pipeline_id, i.run_id, i.campaign_id, run.number, run.kind, run.closed_at,
  run.expected, run.waived, c.name as campaign,
  coalesce((select sum(n) from counted k where k.run_id = w.run_id and k.campaign_id = w.campaign_id), 0) as registered,
  (select min(coalesce(s.rank, 1000)) from counted k left join step_rule s
     on s.pipeline_id = i.pipeline_id and s.state = k.state and k.phase <> 'done'
   where k.run_id = w.run_id and k.campaign_id = w.campaign_id and k.phase <> 'abandoned') as slowest,
  (select min(coalesce(s.rank, 1000)) from counted k left join step_rule s
     on s.pipeline_id = i.pipeline_id and s.state = k.state and k.phase <> 'done'
   where k.run_id = w.run_id and k.campaign_id = w.campaign_id and k.phase not in ('abandoned', 'failed'))
   as slowest_alive
from w join item i on i.run_id = w.run_id and i.campaign_id = w.campaign_id and i.scope = 'run'
join run on run.id = w.run_id join campaign c on c.id = w.campaign_id
order by i.id;

-- name: pin_left_out
-- A run's item that has just become ready learns which files it goes without, once for the epoch. No change of state.
with wanted as (
  select i.id, coalesce(jsonb_agg(to_jsonb(l) order by l.sequence, l.name) filter (where l.name is not null), '[]')
    as files
  from item i left join lateral (
    select f.name, f.sequence, f_item.phase as fate, f_item.state, f_item.reason_code as code, f_item.reason
    from item f_item join file f on f.id = f_item.file_id
    where f_item.run_id = i.run_id and f_item.campaign_id = i.campaign_id and f_item.phase in ('failed', 'abandoned')
    union all
    select f.name, f.sequence, 'missing', '', 'waived', f.waived_reason from file f
    where f.run_id = i.run_id and f.waived_at is not null
  ) l on true
  where i.id = any(:ids) and i.scope = 'run' group by i.id
)
update item i set conditions = i.conditions || jsonb_build_object('left_out', wanted.files)
from wanted where i.id = wanted.id;

-- name: supersede_run
-- Nothing made of a run so far stands: its type was wrong.
with old as (
  update product set superseded_at = clock_timestamp(), superseded_reason = :reason
  where run_id = :run_id and superseded_at is null returning id
), copies as (
  update replica set retired_at = clock_timestamp(), status = 'retired'
  where run_id = :run_id and retired_at is null and (product_id in (select id from old) or item_id is not null)
  returning id
)
select count(*) as n from copies;

-- name: lanes_in_phase
-- Which steps and lanes have something in a phase: one index probe each.
with recursive pairs as (
  (select step, lane from item where phase = :phase and step is not null order by step, lane limit 1)
  union all
  select next.step, next.lane from pairs, lateral (
    select i.step, i.lane from item i where i.phase = :phase and (i.step, i.lane) > (pairs.step, pairs.lane)
    order by i.step, i.lane limit 1) as next
)
select step, lane from pairs;

-- name: places_sent
-- Through which queues what is submitted went: those of large work only where there is any.
with recursive pairs as (
  (select step, lane from item where phase = 'submitted' and step is not null order by step, lane limit 1)
  union all
  select next.step, next.lane from pairs, lateral (
    select i.step, i.lane from item i where i.phase = 'submitted' and (i.step, i.lane) > (pairs.step, pairs.lane)
    order by i.step, i.lane limit 1) as next
)
select step, lane, false as large from pairs
union all
select p.step, p.lane, true from pairs p where exists (select from item i
  where i.phase = 'submitted' and i.step = p.step and i.lane = p.lane and i.request <> '{}');

-- name: begin_sending
-- Become the only one who sends in a step and lane until this transaction ends; nothing where a pause says that not all
-- may go. What this transaction writes may be forgotten if PostgreSQL crashes now: it is then sent once more.
select set_config('synchronous_commit', 'off', true), case when exists (select from pause
    where (what = 'step' and name = :step) or (what = 'lane' and name = :lane) or what = 'site') then null
  else pg_try_advisory_xact_lock(hashtext(current_schema() || '.refill'), hashtext(:step || '.' || :lane)) end as mine;

-- name: still_ready
-- Which of these may be sent now, and how many of their step and lane are with the broker; counts at most a window.
select i.id as item, (select count(*) from (select from item where phase = 'submitted' and step = :step and lane = :lane
    limit :window) as each) as sent
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint)
join item i on i.id = w.item and i.epoch = w.epoch join campaign c on c.id = i.campaign_id
where i.phase = 'ready' and c.status <> 'paused';

-- name: items_to_send
-- Items that are still ready or submitted in the epoch for which a message is wanted, of campaigns that are not paused.
-- Since when an item may be worked on is the same in each message of its epoch: what was sent before finds it in history.
select i.id, i.epoch, i.step, i.lane, i.pipeline_id, i.campaign_id, i.run_id, i.file_id, i.kind, i.conditions,
  i.request, i.nodes <> '{}' as suspect, c.name as campaign, run.number, run.metadata, f.name, f.sequence,
  greatest(i.not_before, case when i.phase = 'ready' then i.changed_at else coalesce((select max(h.at) from history h
    where h.item_id = i.id and h.to_epoch = i.epoch and h.to_phase = 'ready'), i.since) end) as ready_at
from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, epoch bigint)
join item i on i.id = w.item and i.epoch = w.epoch
join campaign c on c.id = i.campaign_id join run on run.id = i.run_id
left join file f on f.id = i.file_id
where i.phase in ('ready', 'submitted') and c.status <> 'paused'
order by i.id;

-- name: file_contents
-- What can be read of these files: the raw file and accepted products, each at every site that has it. Only the
-- original has the time that is known: a copy got its own when it was written. A paused site is avoided.
select f.id as file_id, null::bigint as product_id, 'raw' as role, null::bigint as campaign_id, f.name, f.sequence,
  f.size, case when r.item_id is null then f.mtime_ns end as mtime_ns, f.adler32, f.blake3, f.event_first,
  f.event_last, f.events, r.site, r.path, r.id as replica_id, r.item_id is not null as copied,
  exists (select from pause where what = 'site' and name = r.site) as avoided
from file f join replica r on r.file_id = f.id and r.product_id is null and r.retired_at is null
where f.id = any(:ids)
union all
select f.id, p.id, p.step, p.campaign_id, p.name, f.sequence, p.size, null, p.adler32, p.blake3, p.event_first,
  p.event_last, p.events, r.site, r.path, r.id, r.step <> p.step,
  exists (select from pause where what = 'site' and name = r.site)
from file f join product p on p.file_id = f.id and p.superseded_at is null
join replica r on r.product_id = p.id and r.retired_at is null
where f.id = any(:ids);

-- name: run_contents
-- What a run-scope step reads: one role of every file that is not abandoned or failed.
select * from (
  select f.id as file_id, null::bigint as product_id, 'raw' as role, f.name, f.sequence, f.size,
    case when r.item_id is null then f.mtime_ns end as mtime_ns, f.adler32, f.blake3, f.event_first, f.event_last,
    f.events, r.site, r.path, r.id as replica_id, r.item_id is not null as copied,
    exists (select from pause where what = 'site' and name = r.site) as avoided
  from file f join replica r on r.file_id = f.id and r.product_id is null and r.retired_at is null
  where f.run_id = :run_id and :role = 'raw'
  union all
  select f.id, p.id, p.step, p.name, f.sequence, p.size, null, p.adler32, p.blake3, p.event_first, p.event_last,
    p.events, r.site, r.path, r.id, r.step <> p.step, exists (select from pause where what = 'site' and name = r.site)
  from product p join file f on f.id = p.file_id join replica r on r.product_id = p.id and r.retired_at is null
  where p.run_id = :run_id and p.step = :role and p.superseded_at is null
    and (p.campaign_id is null or p.campaign_id = :campaign_id)
) as c
where exists (select from item i where i.file_id = c.file_id and i.campaign_id = :campaign_id
  and i.phase not in ('abandoned', 'failed'))
order by sequence;

-- name: item_places
select i.id, i.pipeline_id, i.kind, run.number, c.name as campaign
from item i join run on run.id = i.run_id join campaign c on c.id = i.campaign_id
where i.id = any(:ids);

-- name: supersede_after
-- After a reset: what these items' steps from the new state on had made gives way.
update product p set superseded_at = clock_timestamp(), superseded_reason = :reason
from item i, step_rule now_rule, step_rule made_rule
where p.item_id = i.id and i.id = any(:ids) and p.superseded_at is null
  and now_rule.pipeline_id = i.pipeline_id and now_rule.step = i.step
  and made_rule.pipeline_id = i.pipeline_id and made_rule.step = p.step and made_rule.rank >= now_rule.rank
returning p.id;

-- name: retire_copies_after
-- After a reset: copies that these items' steps from the new state on had made leave the counts; the files stay.
update replica r set retired_at = clock_timestamp(), status = 'retired'
from item i, step_rule now_rule, step_rule made_rule
where r.item_id = i.id and i.id = any(:ids) and r.retired_at is null
  and now_rule.pipeline_id = i.pipeline_id and now_rule.step = i.step
  and made_rule.pipeline_id = i.pipeline_id and made_rule.step = r.step and made_rule.rank >= now_rule.rank;

-- name: take_new_content
-- Before a reset: a rewritten raw file's newest refused size and time become its record, and its replica's; its
-- checksums and events are unknown again, and its old content is nobody's.
with wanted as (
  select i.file_id from jsonb_to_recordset(cast(:rows as jsonb)) as r(item bigint, version bigint)
  join item i on i.id = r.item and i.version = r.version
), newest as (
  select distinct on (f.id) f.id, d.id as letter, d.size, d.mtime_ns
  from wanted w join file f on f.id = w.file_id
  join dead_letter d on d.subject = f.path and d.code = 'rewritten' and d.cleared_at is null
    and (d.payload = f.site || ':' || f.path or right(d.payload, length(f.path) + 1) <> ':' || f.path)
  order by f.id, d.last_at desc
), cleared as (
  update dead_letter d set cleared_at = clock_timestamp() from newest n where d.id = n.letter
), replicas as (
  update replica r set size = n.size from newest n, file f
  where f.id = n.id and r.file_id = f.id and r.product_id is null and r.item_id is null
    and r.site = f.site and r.path = f.path
), contents as (
  delete from original o using newest n where o.file_id = n.id
)
update file f set size = n.size, mtime_ns = n.mtime_ns, adler32 = null, blake3 = null,
  event_first = null, event_last = null, events = null
from newest n where f.id = n.id;

-- name: settle_due
update settle s set not_before = clock_timestamp() + make_interval(secs => :again_s * power(2, least(s.tries, 6))),
  tries = s.tries + 1
from (select id from settle where not_before <= clock_timestamp() order by not_before limit :room
  for update skip locked) as d
where s.id = d.id
returning s.id, s.action, s.site, s.path, s.link;

-- name: settle_failed
update settle s set error = w.error
from jsonb_to_recordset(cast(:rows as jsonb)) as w(id bigint, error text) where s.id = w.id
returning s.action, s.site, s.path, s.error;

-- name: settle_done
with gone as (
  delete from settle s using jsonb_to_recordset(cast(:rows as jsonb)) as w(id bigint) where s.id = w.id
  returning s.replica_id, s.link
)
update replica r set link = gone.link from gone where r.id = gone.replica_id and gone.link is not null;

-- name: find_file
-- A file by its name, its path, run/sequence, or its number: the first kind that finds any counts.
with found as (
  select 1 as kind, f.id, f.run_id from file f where f.name = :called
  union all select 2, f.id, f.run_id from file f where f.path = :called
  union all select 3, f.id, f.run_id from file f join run on run.id = f.run_id
    where run.number = cast(:run as bigint) and f.sequence = cast(:sequence as integer)
  union all select 4, f.id, f.run_id from file f where f.id = cast(:id as bigint)
), chosen as (
  select found.kind, found.id, run.number from found join run on run.id = found.run_id
  where cast(:runs as bigint[]) = '{}' or run.number = any(:runs)
)
select id, number from chosen where kind = (select min(kind) from chosen) order by number;

-- name: declare_sites
insert into site (name, kind, path)
select w.name, w.kind, w.path from jsonb_to_recordset(cast(:rows as jsonb)) as w(name text, kind text, path text)
order by w.name
on conflict (name) do update set kind = excluded.kind, path = excluded.path, seen_at = clock_timestamp();

-- name: measure_alone
-- Become the only one who measures until this transaction ends.
select pg_try_advisory_xact_lock(hashtext(current_schema() || '.measure')) as mine;

-- name: take_measures
-- Takes changes that are visible now and adds them to the measures, in one transaction: each is measured once, whenever
-- it commits and whoever dies. What waits is all of a step's time that is not the worker's own; a second try waits on
-- purpose and is not measured. An item's latency is that of the first time it is done: from when its file was closed,
-- in another campaign than a realtime one from when it came into that. What nobody measured of an attempt (it was
-- killed, or is of before that was told) is not known, which is not zero: of busy_s, metered_s has its CPU time in cpu_s.
-- A file of a realtime campaign counts once for each state that it reaches, from its closing to the first time.
with taken as (
  delete from measure_due where id in (select id from measure_due order by id limit :page) returning *
), seen as materialized (
  select t.*, a.family, a.host, a.reason, coalesce(a.reason_code, '') as reason_code,
    greatest(0, least(1e9, coalesce(cast(a.usage ->> 'wall_s' as double precision),
      extract(epoch from a.ended_at - a.started_at), 0))) as worked_s,
    case when a.usage ? 'cpu_s' then greatest(0, least(1e9, cast(a.usage ->> 'cpu_s' as double precision))) end as cpu_s,
    case when a.usage ? 'queue_s' then greatest(0, least(1e9, cast(a.usage ->> 'queue_s' as double precision)))
      end as queue_s,
    cast(greatest(0, least(1e18, coalesce(cast(a.usage ->> 'memory_peak' as double precision), 0))) as bigint)
      as memory_peak,
    past.ready_at,
    case when c.kind = 'realtime' then coalesce(to_timestamp(f.closed_ns / 1e9), f.registered_at)
      else past.came_at end as began_at,
    t.finished and not coalesce(past.was_done, false) and not exists (select from history_checkpoint k
      where k.item_id = t.item_id and k.version < t.version and k.phase = 'done') as first_done,
    case when c.kind = 'realtime' and f.id is not null and t.trigger in ('succeed', 'skipped', 'bypassed', 'reused')
      and not coalesce(past.was_there, false) and not exists (select from history_checkpoint k
        join step_rule later on later.pipeline_id = c.pipeline_id and later.rank >= rule.rank and later.to_state = k.state
        where k.item_id = t.item_id and k.version < t.version) then rule.to_state end as reached
  from taken t join campaign c on c.id = t.campaign_id
  left join lateral (select s.to_state, s.rank from step_rule s
    where s.pipeline_id = c.pipeline_id and s.step = t.step and s.scope = 'file' limit 1) rule on true
  left join attempt a on a.item_id = t.item_id and a.epoch = t.epoch
  left join item i on i.id = t.item_id
  left join file f on f.id = i.file_id
  left join lateral (
    select max(h.at) filter (where h.to_epoch = t.epoch and h.to_phase = 'ready'
        and h.trigger not in ('fail', 'interrupt')) as ready_at,
      min(h.at) filter (where h.trigger = 'arrive') as came_at,
      bool_or(h.to_phase = 'done') as was_done, bool_or(h.to_state = rule.to_state) as was_there
    from history h where h.item_id = t.item_id and h.version < t.version
  ) past on true
), reached as (
  insert into sum_delta (name, what, bucket, n, seconds)
  select 'reached', reached, seconds_bucket(seconds), count(*), sum(seconds)
  from (select reached, cast(greatest(0, extract(epoch from at - began_at)) as double precision) as seconds
    from seen where reached is not null and began_at is not null) files
  group by 2, 3
), timed as (
  select s.at, s.campaign_id, s.kind, v.what, v.step, greatest(v.seconds, 0) as seconds
  from seen s cross join lateral (values
    ('latency', '', case when s.first_done then extract(epoch from s.at - s.began_at) end),
    ('waiting', s.step, case when s.trigger = 'succeed' then extract(epoch from s.at - s.ready_at) - s.worked_s end),
    ('working', s.step, case when s.trigger = 'succeed' then s.worked_s end)
  ) as v(what, step, seconds)
  where v.seconds is not null
), latencies as (
  insert into measure_latency as m (what, span, at, step, campaign_id, kind, bucket, n, seconds)
  select what, 5, date_bin('5 minutes', at, 'epoch'), step, campaign_id, kind,
    cast(floor(8 * ln(greatest(cast(seconds as double precision), 0.001)) / ln(cast(2 as double precision))) as integer),
    count(*), sum(seconds)
  from timed group by 1, 2, 3, 4, 5, 6, 7
  on conflict (what, span, at, step, campaign_id, kind, bucket)
  do update set n = m.n + excluded.n, seconds = m.seconds + excluded.seconds
), rates as (
  insert into measure_rate as m (span, at, campaign_id, step, lane, done, passed, failed, interrupted, busy_s,
    lost_s, metered_s, cpu_s, queued, queue_s, memory_peak)
  select 1, date_bin('1 minute', at, 'epoch'), campaign_id, step, lane,
    count(*) filter (where trigger in ('succeed', 'skipped')), count(*) filter (where trigger in ('bypassed', 'reused')),
    count(*) filter (where trigger = 'fail'), count(*) filter (where trigger = 'interrupt'), sum(worked_s),
    coalesce(sum(worked_s) filter (where trigger in ('fail', 'interrupt')), 0),
    coalesce(sum(worked_s) filter (where cpu_s is not null), 0), coalesce(sum(cpu_s), 0),
    count(queue_s), coalesce(sum(queue_s), 0), coalesce(max(memory_peak), 0)
  from seen where step <> '' group by 1, 2, 3, 4, 5
  on conflict (span, at, campaign_id, step, lane) do update set done = m.done + excluded.done,
    passed = m.passed + excluded.passed, failed = m.failed + excluded.failed,
    interrupted = m.interrupted + excluded.interrupted, busy_s = m.busy_s + excluded.busy_s,
    lost_s = m.lost_s + excluded.lost_s, metered_s = m.metered_s + excluded.metered_s, cpu_s = m.cpu_s + excluded.cpu_s,
    queued = m.queued + excluded.queued, queue_s = m.queue_s + excluded.queue_s,
    memory_peak = greatest(m.memory_peak, excluded.memory_peak)
), failures as (
  insert into measure_failure as m (span, at, family, campaign_id, n)
  select 5, date_bin('5 minutes', at, 'epoch'), family, campaign_id, count(*)
  from seen where family is not null and trigger in ('fail', 'interrupt') group by 1, 2, 3, 4
  on conflict (span, at, family, campaign_id) do update set n = m.n + excluded.n
), families as (
  insert into failure_family as m (family, step, reason_code, template, onset, last_at, n)
  select family, min(step), min(reason_code), min(failure_template(reason, host)), min(at), max(at), count(*)
  from seen where family is not null and trigger in ('fail', 'interrupt') group by 1
  on conflict (family) do update set onset = least(m.onset, excluded.onset),
    last_at = greatest(m.last_at, excluded.last_at), n = m.n + excluded.n
)
select item_id as item, version from taken;

-- name: journeys
-- The ways of items to their ends (done, or failed for good), where these changes are ends: from when they set out, with
-- each attempt and since when its item had waited for it, and what else happened. Who was sent round again after an
-- earlier end sets out anew.
with ended as (
  select h.* from jsonb_to_recordset(cast(:rows as jsonb)) as w(item bigint, version bigint)
  cross join lateral (select * from history h where h.item_id = w.item and h.version = w.version limit 1) h
  where h.to_phase in ('done', 'failed') and h.from_phase not in ('done', 'failed')
)
select e.item_id as item, e.at as ended_at, e.to_state as state, e.to_phase as phase, e.reason_code as code, e.reason,
  r.number as run, f.name as file, i.kind, i.lane, c.name as campaign, coalesce(again.version, 0) as again,
  coalesce(again.at, made.at, e.at) as began_at, made.to_state as first_state,
  case when again.version is null and c.kind = 'realtime' and f.id is not null
    then coalesce(to_timestamp(f.closed_ns / 1e9), made.at) end as closed_at,
  tried.attempts, between_them.events
from ended e join item i on i.id = e.item_id join run r on r.id = i.run_id join campaign c on c.id = e.campaign_id
left join file f on f.id = i.file_id
left join lateral (
  select h.version, h.at, h.epoch from history h
  where h.item_id = e.item_id and h.version < e.version
    and h.from_phase in ('done', 'failed') and h.to_phase not in ('done', 'failed')
  order by h.version desc limit 1
) again on true
left join lateral (
  select h.at, h.to_state from history h where h.item_id = e.item_id order by h.version limit 1
) made on true
cross join lateral (
  select coalesce(jsonb_agg(jsonb_build_object('epoch', a.epoch, 'step', a.step, 'owner', a.owner, 'host', a.host,
      'job', a.job, 'began_at', a.started_at, 'ended_at', a.ended_at, 'worked_s', a.usage -> 'wall_s',
      'ready_at', was.ready_at, 'outcome', a.outcome, 'code', a.reason_code, 'reason', a.reason) order by a.epoch), '[]')
    as attempts
  from attempt a left join lateral (
    select max(h.at) as ready_at from history h
    where h.item_id = a.item_id and h.to_epoch = a.epoch and h.to_phase = 'ready'
  ) was on true
  where a.item_id = e.item_id and a.epoch > coalesce(again.epoch, 0) and a.epoch <= e.epoch and a.ended_at is not null
) tried
cross join lateral (
  select coalesce(jsonb_agg(jsonb_build_object('at', h.at, 'trigger', h.trigger, 'state', h.to_state,
      'code', h.reason_code) order by h.version), '[]') as events
  from history h
  where h.item_id = e.item_id and h.version >= coalesce(again.version, 0) and h.version < e.version
    and h.trigger not in ('arrive', 'submit', 'start', 'succeed', 'skipped', 'fail', 'interrupt')
) between_them
order by e.item_id, e.version;

-- name: name_failures
-- Failures of before families were kept get theirs, the latest first, and are counted with them: those without a
-- family are just those that have not been counted.
with chosen as (
  select item_id, epoch from attempt
  where family is null and outcome in ('failed', 'interrupted') and reason_code not in ('drain', 'given-back', 'preempted', 'pilot-ended')
  order by ended_at desc limit :page for no key update skip locked
), named as (
  update attempt a set family = failure_family_of(a.step, a.reason_code, a.reason, a.host)
  from chosen c, item i where a.item_id = c.item_id and a.epoch = c.epoch and i.id = a.item_id
  returning a.family, a.step, a.reason_code, a.reason, a.host, i.campaign_id,
    coalesce(a.ended_at, a.started_at, clock_timestamp()) as at
), failures as (
  insert into measure_failure as m (span, at, family, campaign_id, n)
  select 60, date_bin('1 hour', at, 'epoch'), family, campaign_id, count(*) from named group by 1, 2, 3, 4
  on conflict (span, at, family, campaign_id) do update set n = m.n + excluded.n
), families as (
  insert into failure_family as m (family, step, reason_code, template, onset, last_at, n)
  select family, min(step), min(reason_code), min(failure_template(reason, host)), min(at), max(at), count(*)
  from named group by 1
  on conflict (family) do update set onset = least(m.onset, excluded.onset),
    last_at = greatest(m.last_at, excluded.last_at), n = m.n + excluded.n
)
select count(*) as n from named;

-- name: fold_sums
-- Folds what was counted and is visible now into the sums, which never go down. One process at a time.
with taken as (
  delete from sum_delta where id in (select id from sum_delta order by id limit :page) returning *
), folded as (
  insert into sum_total as t (name, step, lane, what, bucket, n, seconds, last_at)
  select name, step, lane, what, bucket, sum(n), sum(seconds), max(last_at) from taken group by 1, 2, 3, 4, 5
  on conflict (name, step, lane, what, bucket) do update set n = t.n + excluded.n,
    seconds = t.seconds + excluded.seconds, last_at = greatest(t.last_at, excluded.last_at)
)
select count(*) as n from taken;

-- name: many_sums
-- Whether more than :most wait: no further is counted.
select exists (select from sum_delta offset :most limit 1) as many;

-- name: coarsen_latency
-- Latencies older than :before go from spans of :fine minutes into spans of :coarse, which hold the sum.
with old as (
  delete from measure_latency where ctid = any(array(
    select ctid from measure_latency where what in ('latency', 'waiting', 'working') and span = :fine and at < :before
    limit :page)) returning *
), added as (
  insert into measure_latency as m (what, span, at, step, campaign_id, kind, bucket, n, seconds)
  select what, :coarse, date_bin(make_interval(mins => :coarse), at, 'epoch'), step, campaign_id, kind, bucket,
    sum(n), sum(seconds) from old group by 1, 3, 4, 5, 6, 7
  on conflict (what, span, at, step, campaign_id, kind, bucket)
  do update set n = m.n + excluded.n, seconds = m.seconds + excluded.seconds
)
select count(*) as n from old;

-- name: coarsen_rate
with old as (
  delete from measure_rate where ctid = any(array(
    select ctid from measure_rate where span = :fine and at < :before order by at limit :page)) returning *
), added as (
  insert into measure_rate as m (span, at, campaign_id, step, lane, done, passed, failed, interrupted, busy_s,
    lost_s, metered_s, cpu_s, queued, queue_s, memory_peak)
  select :coarse, date_bin(make_interval(mins => :coarse), at, 'epoch'), campaign_id, step, lane,
    sum(done), sum(passed), sum(failed), sum(interrupted), sum(busy_s),
    sum(lost_s), sum(metered_s), sum(cpu_s), sum(queued), sum(queue_s), max(memory_peak) from old group by 2, 3, 4, 5
  on conflict (span, at, campaign_id, step, lane) do update set done = m.done + excluded.done,
    passed = m.passed + excluded.passed, failed = m.failed + excluded.failed,
    interrupted = m.interrupted + excluded.interrupted, busy_s = m.busy_s + excluded.busy_s,
    lost_s = m.lost_s + excluded.lost_s, metered_s = m.metered_s + excluded.metered_s, cpu_s = m.cpu_s + excluded.cpu_s,
    queued = m.queued + excluded.queued, queue_s = m.queue_s + excluded.queue_s,
    memory_peak = greatest(m.memory_peak, excluded.memory_peak)
)
select count(*) as n from old;

-- name: coarsen_failure
with old as (
  delete from measure_failure where ctid = any(array(
    select ctid from measure_failure where span = :fine and at < :before order by at limit :page)) returning *
), added as (
  insert into measure_failure as m (span, at, family, campaign_id, n)
  select :coarse, date_bin(make_interval(mins => :coarse), at, 'epoch'), family, campaign_id, sum(n)
  from old group by 2, 3, 4
  on conflict (span, at, family, campaign_id) do update set n = m.n + excluded.n
)
select count(*) as n from old;

-- name: insert_operation
-- An action is written down; nothing where its key stands for one already.
insert into operation (actor, action, selection, reason, idempotency_key)
values (:actor, :action, cast(:selection as jsonb), :reason, :key)
on conflict (idempotency_key) do nothing returning id;

-- name: earlier_operation
-- The action that a key stands for, and whether this is the same one.
select id, at, total, names, lane, why, actor = :actor and action = :action and reason = :reason
  and selection - array['after', 'goes_on'] = cast(:selection as jsonb) as same
from operation where idempotency_key = :key;

-- name: frozen_operation
-- What an action is meant for is known.
update operation set total = :total, names = :names, lane = :lane, status = :status, why = :why where id = :id;

-- name: lock_operation
select id, action, actor, reason, selection, lane, after, status, total, changed
from operation where id = :id for no key update;

-- name: take_operation
-- waiting, or left by its runner -> running: the one that was longest not looked after, locked for its next page.
with next as (
  select id from operation
  where status in ('waiting', 'running') and action = any(:actions)
    and (status = 'waiting' or runner = :runner
      or coalesce(seen_at, at) < clock_timestamp() - make_interval(secs => :silent_s))
  order by coalesce(seen_at, at), id limit 1 for no key update skip locked
)
update operation o set status = 'running', runner = :runner, seen_at = clock_timestamp(),
  started_at = coalesce(o.started_at, clock_timestamp())
from next where o.id = next.id
returning o.id, o.action, o.actor, o.reason, o.selection, o.lane, o.after;

-- name: take_operation_items
-- The next items of an action leave its list.
delete from operation_item o using (
  select item_id from operation_item where operation_id = :operation and item_id > :after order by item_id limit :page
) as n
where o.operation_id = :operation and o.item_id = n.item_id
returning o.item_id, o.version;

-- name: drop_operation_items
delete from operation_item where operation_id = :operation;

-- name: operation_progress
-- A page of an action is done; after the last one so is the action.
update operation set done = done + :done, changed = changed + :changed, after = greatest(after, :after),
  runner = :runner, seen_at = clock_timestamp(), started_at = coalesce(started_at, at),
  status = case when :ended then 'done' else 'running' end,
  finished_at = case when :ended then clock_timestamp() end
where id = :id;

-- name: end_operation
-- waiting, running -> cancelled or failed: what is done stays, the rest is left.
update operation set status = :status, why = :why, finished_at = clock_timestamp() where id = :id;

-- name: present
-- Items that were named, as they are, each with the last thing that an operator did to it.
select i.id as item, coalesce(f.name, '') as file, run.number as run, i.state, i.phase, i.version, i.since, i.actor,
  i.trigger, i.reason, h.actor as did_actor, h.trigger as did_trigger, h.at as did_at, h.reason as did_reason
from item i join run on run.id = i.run_id left join file f on f.id = i.file_id
left join lateral (
  select actor, trigger, at, reason from history
  where item_id = i.id and trigger = any(:triggers) order by version desc limit 1
) h on true
where i.file_id = any(cast(:files as bigint[])) or i.id = any(cast(:items as bigint[]))
order by i.id limit :shown;

-- name: claim_answer
-- A key is this request's; who sends it at the same time waits here for the commit, and then finds it.
insert into answered (key, actor, request) values (:key, :actor, :request) on conflict (key) do nothing returning key;

-- name: earlier_answer
select actor, request, answer, at from answered where key = :key;

-- name: keep_answer
update answered set answer = cast(:answer as jsonb) where key = :key;

-- name: forget_answered
delete from answered where key in (
  select key from answered where at < clock_timestamp() - interval '30 days' limit 10000
);

-- name: insert_note
insert into note (run_id, file_id, author, kind, text) values (:run, :file, :author, :kind, :text) returning id;

-- name: snapshot
select cast(pg_current_snapshot() as text);

-- name: forget_changes
-- What a snapshot of some minutes ago saw has been told to all who were there: nobody goes on from before it. What
-- is of a transaction yet to begin came from another server, in a dump.
with gone as (
  select xid from change
  where pg_visible_in_snapshot(cast(cast(xid as text) as xid8), cast(:snapshot as pg_snapshot))
    or cast(cast(xid as text) as xid8) >= pg_snapshot_xmax(pg_current_snapshot())
  order by xid limit :page
)
delete from change where xid in (select xid from gone);

-- name: depths_due
-- Whether nobody has asked the broker how full its queues are for so long.
select coalesce(max(at) < clock_timestamp() - make_interval(secs => :every_s), true) as due from queue_depth;

-- name: keep_depths
-- What the broker holds now; two who look at once write in the same order.
insert into queue_depth (queue, kind, step, lane, messages, consumers)
select w.queue, w.kind, w.step, w.lane, w.messages, w.consumers
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(queue text, kind text, step text, lane text, messages bigint, consumers bigint)
order by w.queue
on conflict (queue) do update set kind = excluded.kind, step = excluded.step, lane = excluded.lane,
  messages = excluded.messages, consumers = excluded.consumers, at = clock_timestamp();

-- name: forget_depths
delete from queue_depth where at < clock_timestamp() - interval '1 day';

-- name: measure_sites
-- How much room there is at sites, as one host sees them. Where another host has just seen a site, a host that cannot
-- see it says nothing; a site that the last host to see it finds broken is down. The first look of each five minutes
-- is kept for a week: from these follows how fast the site fills.
with seen as (
  select * from jsonb_to_recordset(cast(:rows as jsonb)) as w(name text, space jsonb, wrong text)
), locked as (
  select s.name, w.space, w.wrong from seen w join site s on s.name = w.name
  where w.wrong = '' or s.space ->> 'host' = :host
  order by s.name for no key update of s
), sampled as (
  insert into site_sample (site, at, free, total)
  select name, date_bin('5 minutes', clock_timestamp(), 'epoch'), cast(space ->> 'free' as bigint),
    cast(space ->> 'total' as bigint)
  from locked where wrong = '' and space ?& array['free', 'total']
  on conflict (site, at) do nothing
)
update site s set
  space = case when l.wrong = '' then l.space || jsonb_build_object('at', clock_timestamp(), 'host', cast(:host as text))
    else s.space end,
  status = case when l.wrong = '' then 'up' else 'down' end, reason = l.wrong
from locked l where s.name = l.name;

-- name: site_declared
select exists (select from site where name = :site) as there;

-- name: forget_samples
with old as (
  delete from site_sample where ctid = any(array(
    select ctid from site_sample where at < clock_timestamp() - interval '7 days' limit :page)) returning at
)
select count(*) as n from old;

-- name: suspect_nodes
-- Nodes with workers whose last attempt did not go well, and since when it counts: at most a window, and only since the
-- node was last released. Each costs a probe of an index.
with moment as (
  select statement_timestamp() - make_interval(secs => :window_s) as since
), known as materialized (
  select distinct host from process
  where role = 'worker' and host <> '' and seen_at > (select since from moment)
)
select k.host, greatest(moment.since, (select max(o.at) from operation o
  where o.action = 'resume' and o.selection @> jsonb_build_object('what', 'node', 'name', k.host))) as since
from known k cross join moment cross join lateral (
  select outcome from attempt where host = k.host and ended_at > moment.since order by ended_at desc limit 1
) newest
where newest.outcome not in ('succeeded', 'skipped')
  and not exists (select from pause p where p.what = 'node' and p.name = k.host)
order by k.host;

-- name: failing_nodes
-- Of these nodes, those on which nothing went well since :failures bad ends, of two items or more, that speak of the
-- place: interrupts with such a code of items that did not die elsewhere too, and what failed here and then went well
-- elsewhere. Only where, between the first and the last of them, more went well than badly at the same steps on others.
with ended as materialized (
  select s.host, a.item_id, a.epoch, a.step, a.outcome, a.reason_code, a.reason, a.ended_at
  from jsonb_to_recordset(cast(:rows as jsonb)) as s(host text, since timestamptz) cross join lateral (
    select * from attempt where host = s.host and ended_at > s.since order by ended_at desc limit :look
  ) a
), well as materialized (
  select host, max(ended_at) as at from ended where outcome in ('succeeded', 'skipped') group by host
), bad as materialized (
  select e.*, case when e.outcome = 'failed' then e.item_id || '/' || e.epoch
    else cast(floor(extract(epoch from e.ended_at) / :burst_s) as text) end as once
  from ended e left join well on well.host = e.host
  cross join lateral (
    select count(*) filter (where o.outcome in ('succeeded', 'skipped')) as good,
      count(*) filter (where o.outcome = 'failed' or (o.outcome = 'interrupted' and o.reason_code = any(:place))) as ill
    from attempt o where o.item_id = e.item_id and o.step = e.step and o.host <> e.host
  ) elsewhere
  where e.ended_at > coalesce(well.at, '-infinity')
    and ((e.outcome = 'failed' and elsewhere.good > 0) or (e.outcome = 'interrupted' and e.reason_code = any(:place)
      and (elsewhere.ill = 0 or elsewhere.good > 0)))
), failing as (
  select host, count(*) as attempts, count(distinct item_id) as items, min(ended_at) as first, max(ended_at) as latest,
    array_agg(distinct step) as steps, array_agg(reason_code) as codes,
    (array_agg(reason order by ended_at desc))[1] as last, (array_agg(reason_code order by ended_at desc))[1] as last_code
  from bad group by host
  having count(distinct once) >= :failures and count(distinct item_id) > 1
)
select f.host, f.attempts, f.items, f.codes, f.last, f.last_code, others.good, others.nodes as other_nodes
from failing f cross join lateral (
  select count(*) filter (where o.outcome in ('succeeded', 'skipped')) as good,
    count(*) filter (where o.outcome = 'failed' or (o.outcome = 'interrupted' and o.reason_code = any(:place))) as ill,
    count(distinct o.host) filter (where o.outcome in ('succeeded', 'skipped')) as nodes
  from unnest(f.steps) as s(step) cross join lateral (
    select host, outcome, reason_code from attempt
    where step = s.step and host not in (f.host, '') and ended_at between f.first and f.latest
    order by ended_at desc limit :look
  ) o
) others
where others.good > others.ill
order by f.attempts desc, f.host;

-- name: black_holes
-- Nodes on which :deaths pilots in a row died at once (within :quick_s, or without having been heard of) since the node
-- was last released, while others of their names that started meanwhile did well, on more other nodes than did not. A
-- node that lost all its pilots within :burst_s lost them once. Those of several nodes speak of none.
with moment as (
  select statement_timestamp() as now, statement_timestamp() - make_interval(secs => :window_s) as since,
    make_interval(secs => :quick_s) as quick
), lately as (
  select * from pilot where ended_at > (select since from moment)
  union all
  select * from pilot where ended_at is null
), judged as materialized (
  select p.node, p.name, p.code, p.state, p.reason, p.started_at, coalesce(p.ended_at, moment.now) as at,
    case when p.code = 'node-failed' then cast(floor(extract(epoch from p.ended_at) / :burst_s) as text)
      else p.token end as once,
    well.did, p.code in ('failed', 'node-failed') and not well.did as died
  from lately p cross join moment cross join lateral (
    select p.heard_at is not null
      and (p.code = 'done' or coalesce(p.ended_at, moment.now) - p.started_at >= moment.quick) as did
  ) well
  where p.started_at is not null and p.node ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$'
), known as materialized (
  select node, greatest(moment.since, max(judged.at) filter (where did), (select max(o.at) from operation o
    where o.action = 'resume' and o.selection @> jsonb_build_object('what', 'node', 'name', node))) as since
  from judged cross join moment
  where not exists (select from pause where what = 'node' and pause.name = judged.node)
  group by node, moment.since
), failing as (
  select k.node as host, count(*) as pilots, array_agg(distinct j.name) as names, array_agg(j.code) as codes,
    min(j.started_at) as first, (array_agg(coalesce(nullif(j.reason, ''), j.state) order by j.at desc))[1] as last
  from known k join judged j on j.node = k.node and j.died and j.at > k.since
  group by k.node having count(distinct j.once) >= :deaths
)
select f.host, f.pilots, f.names, f.codes, f.last, others.good, others.well as other_nodes
from failing f cross join moment cross join lateral (
  select count(*) filter (where o.did) as good, count(distinct o.node) filter (where o.did) as well,
    count(distinct o.node) filter (where o.died) as ill
  from judged o join known k on k.node = o.node
  where o.name = any(f.names) and o.node <> f.host and o.started_at > f.first - moment.quick
) others
where others.well > others.ill
order by f.pilots desc, f.host;

-- name: nodes_aside
-- How many nodes had workers lately, and how many of all are set aside by :actor.
select (select count(distinct host) from process where role = 'worker' and host <> ''
    and seen_at > clock_timestamp() - make_interval(secs => :window_s)) as nodes,
  (select count(*) from pause where what = 'node' and actor = :actor) as aside;

-- name: note_compatibility
-- The schema is at :revision, brought there by version :by; versions from :oldest on may work on it.
insert into compatibility (oldest, revision, by) values (:oldest, :revision, :by)
on conflict (single) do update
set oldest = excluded.oldest, revision = excluded.revision, by = excluded.by, at = clock_timestamp();

-- name: schema_stands
-- Which tables that tell of the schema are there.
select to_regclass('alembic_version') is not null as versioned, to_regclass('compatibility') is not null as told;

-- name: alerts_alone
-- Become the only one who looks at alerts until this transaction ends. What takes long is given up: alerts are looked at
-- beside the repairs, and must not keep them.
select pg_try_advisory_xact_lock(hashtext(current_schema() || '.alerts')) as mine,
  set_config('statement_timeout', '5s', true);

-- name: keep_alerts
-- What is so now: opened, or seen again. It fires once it has been so for long enough; what was not looked at for five
-- minutes meanwhile begins anew, for nobody knows. What an older headframe left open with another severity takes ours.
-- That it is still so is written down each minute: pages hear of each change of a row.
insert into alert as a (code, name, severity, sentence, command, fired_at)
select w.code, w.name, w.severity, w.sentence, w.command, case when w.for_s <= 0 then clock_timestamp() end
from jsonb_to_recordset(cast(:rows as jsonb))
  as w(code text, name text, severity text, sentence text, command text, for_s float)
order by w.code, w.name
on conflict (code, name) where cleared_at is null do update set
  severity = excluded.severity, sentence = excluded.sentence, command = excluded.command,
  seen_at = clock_timestamp(), calm_since = null,
  since = case when a.fired_at is null and a.seen_at < clock_timestamp() - interval '5 minutes'
    then clock_timestamp() else a.since end
where (a.severity, a.sentence, a.command) is distinct from (excluded.severity, excluded.sentence, excluded.command)
  or a.calm_since is not null or a.seen_at < clock_timestamp() - interval '1 minute'
returning id;

-- name: fire_alerts
-- Those that have been so for long enough need somebody from now on.
update alert a set fired_at = clock_timestamp()
from jsonb_to_recordset(cast(:rows as jsonb)) as w(code text, name text, for_s float)
where a.code = w.code and a.name = w.name and a.cleared_at is null and a.fired_at is null
  and a.since <= clock_timestamp() - make_interval(secs => w.for_s)
returning a.code, a.name, a.sentence;

-- name: calm_alerts
-- Those of these codes that are not so any more: who never fired goes; the others are calm, and cleared after a while, so
-- that what comes and goes is one alert and told once.
with calm as (
  select a.id, a.fired_at is null as unfired from alert a
  where a.cleared_at is null and a.code = any(:codes) and not exists (
    select from jsonb_to_recordset(cast(:now as jsonb)) as w(code text, name text)
    where w.code = a.code and w.name = a.name
  )
), gone as (
  delete from alert a using calm c where a.id = c.id and c.unfired
)
update alert a set calm_since = coalesce(a.calm_since, clock_timestamp()),
  cleared_at = case when :calm_s <= 0 or a.calm_since <= clock_timestamp() - make_interval(secs => :calm_s)
    then clock_timestamp() end
from calm c where a.id = c.id and not c.unfired
returning a.code, a.name, a.cleared_at is not null as cleared;

-- name: forget_alerts
-- What has been over for a month, with what was told of it.
with alerts as (
  delete from alert where id in (select id from alert
    where cleared_at < clock_timestamp() - interval '30 days' order by cleared_at limit :page)
), acks as (
  delete from alert_ack where id in (select id from alert_ack
    where until < clock_timestamp() - interval '30 days' limit :page)
)
delete from alert_notice where id in (select id from alert_notice
  where made_at < clock_timestamp() - interval '30 days' and (sent_at is not null or given_up_at is not null)
  order by made_at limit :page);

-- name: alerts_to_tell
-- Open alerts that fired and that nobody has been told of; or told before somebody's acknowledgement ended, or long ago.
-- Not those that somebody knows of.
select a.* from alert a
where a.cleared_at is null and a.fired_at is not null
  and not exists (select from alert_ack k where k.code = a.code and k.name = a.name and k.until > clock_timestamp())
  and (a.told_at is null
    or (:repeat_s > 0 and a.told_at < clock_timestamp() - make_interval(secs => :repeat_s))
    or exists (select from alert_ack k where k.code = a.code and k.name = a.name
      and k.until <= clock_timestamp() and k.until > a.told_at))
order by a.severity, a.since, a.id limit :most for update of a skip locked;

-- name: alerts_to_resolve
-- Those that were told and are over.
select a.* from alert a
where a.cleared_at is not null and a.resolved_told_at is null and a.told_at is not null
order by a.id limit :most for update of a skip locked;

-- name: mark_told
update alert set told_at = case when cleared_at is null then clock_timestamp() else told_at end,
  resolved_told_at = case when cleared_at is not null then clock_timestamp() end
where id = any(:ids);

-- name: add_notices
insert into alert_notice (receiver, body)
select w.receiver, w.body from jsonb_to_recordset(cast(:rows as jsonb)) as w(receiver text, body jsonb)
returning id;

-- name: claim_notice
-- The oldest of a receiver that is due, so that it hears things in their order; nobody else sends it for a while. Who
-- dies between sending and marking has it sent again: that is what its id is for.
update alert_notice n set due_at = clock_timestamp() + make_interval(secs => :claim_s), tries = n.tries + 1
where n.id = (
  select id from alert_notice where receiver = :receiver and sent_at is null and given_up_at is null
  order by id limit 1 for update
) and n.due_at <= clock_timestamp()
returning n.id, n.receiver, n.body, n.tries, n.made_at, clock_timestamp() - n.made_at > interval '3 days' as old;

-- name: notice_sent
update alert_notice set sent_at = clock_timestamp(), error = '' where id = :id;

-- name: notice_failed
-- Tried again later; given up where that was said, or after days, so that what follows can be told.
update alert_notice set error = :error,
  due_at = clock_timestamp() + make_interval(secs => :again_s),
  given_up_at = case when :give_up then clock_timestamp() end
where id = :id and sent_at is null;

-- name: deaf_receivers
-- Who has not taken what was made so long ago, nor anything since; what was given up counts for a day.
select r.name from unnest(cast(:receivers as text[])) as r (name)
where exists (
  select from alert_notice n
  where n.receiver = r.name and n.sent_at is null and n.tries > 0
    and n.made_at < clock_timestamp() - make_interval(secs => :after_s)
    and (n.given_up_at is null or n.given_up_at > clock_timestamp() - interval '1 day')
    and not exists (select from alert_notice s where s.receiver = r.name and s.sent_at > n.made_at)
);

-- name: drop_notices
-- Those of receivers that are no longer configured.
update alert_notice set given_up_at = clock_timestamp(), error = 'the receiver is no longer configured'
where sent_at is null and given_up_at is null and receiver <> all(:receivers);

-- name: acknowledge
insert into alert_ack (code, name, owner, reason, until)
values (:code, :of, :owner, :reason, clock_timestamp() + make_interval(secs => :for_s))
returning id, until;

-- name: end_acknowledgement
update alert_ack set until = clock_timestamp(), ended_by = :by
where code = :code and name = :of and until > clock_timestamp()
returning id;

-- name: open_alert
select code, name from alert where code = :code and name = :of and cleared_at is null;

-- name: alert_subject
-- Whether there is a site or a step of that name; of what else alerts are about nobody keeps a list.
select case cast(:label as text) when 'site' then exists (select from site where name = :of)
  when 'step' then exists (select from step_rule where step = :of) else true end as there;

-- name: say_detector
insert into detector as d (source, running, detail, until)
values (:source, :running, :detail, clock_timestamp() + make_interval(secs => :valid_s))
on conflict (source) do update set running = excluded.running, detail = excluded.detail, until = excluded.until,
  seen_at = clock_timestamp(),
  since = case when d.running = excluded.running and d.until > clock_timestamp() then d.since else clock_timestamp() end;

-- name: run_open
-- The run that the detector began last, if it has not ended and is not too old to be true.
select number from run where started_at is not null and ended_at is null and closed_at is null
  and coalesce(started_at, created_at) > clock_timestamp() - make_interval(secs => :longest_s)
order by coalesce(started_at, created_at) desc limit 1;

-- name: write_operation
-- Something small that an operator did, done at once.
insert into operation (actor, action, selection, reason, total, done, changed, status, finished_at)
values (:actor, :action, cast(:selection as jsonb), :reason, 1, 1, 1, 'done', clock_timestamp());

-- name: lock_alert
select pg_advisory_xact_lock(hashtext(current_schema() || '.alert.' || :code || ' ' || :of));

-- name: standing_still
-- What has waited for so long, while nobody works and no attempt ended: one row, or none.
select s.step, s.lane, least(head.since, sent.submitted_at) as since
from (select distinct step, lane from step_rule, unnest(cast('{live,bulk}' as text[])) as lane where step is not null) s
left join lateral (select i.since from item i where i.phase = 'ready' and i.step = s.step and i.lane = s.lane
  and (i.not_before is null or i.not_before <= clock_timestamp()) order by i.priority, i.id limit 1) head on true
left join lateral (select i.submitted_at from item i where i.phase = 'submitted' and i.step = s.step and i.lane = s.lane
  order by i.submitted_at limit 1) sent on true
where not exists (select from pause p where (p.what = 'step' and p.name = s.step) or (p.what = 'lane' and p.name = s.lane))
  and least(head.since, sent.submitted_at) < clock_timestamp() - make_interval(secs => :s)
  and not exists (select from item i where i.phase = 'executing' and i.lease_until >= clock_timestamp())
  and not exists (select from measure_rate where span = 1 and at > clock_timestamp() - make_interval(secs => :s)
    and done + passed + failed + interrupted > 0)
order by since limit 1;

-- name: oldest_live
-- Steps at whose head live work has waited for longer than that.
select s.step, extract(epoch from clock_timestamp() - min(head.since)) as age
from (select distinct step, lane from step_rule, unnest(cast('{live,bulk}' as text[])) as lane where step is not null) s cross join lateral (
  select i.since from item i where i.phase = 'ready' and i.step = s.step and i.lane = s.lane
    and (i.not_before is null or i.not_before <= clock_timestamp())
  order by i.priority, i.id limit 100
) head
where s.lane = 'live'
  and not exists (select from pause p where (p.what = 'step' and p.name = s.step) or (p.what = 'lane' and p.name = s.lane))
group by s.step having min(head.since) < clock_timestamp() - make_interval(secs => :s) order by s.step;

-- name: leases_over
-- Attempts whose lease has been over for so long, and whom nobody has taken back.
select coalesce(step, '') as step, count(*) as n, min(lease_until) as since from item
where phase = 'executing' and lease_until < clock_timestamp() - make_interval(secs => :s) group by 1 order by 1;

-- name: last_file
-- When the last file arrived, by the kept sums: none before the first one.
select max(last_at) as at from (
  select last_at from sum_total where name = 'arrived' union all select last_at from sum_delta where name = 'arrived'
) both_tables;

-- name: make_history_month
-- A month of history, for who does not own the table.
select make_history_month(cast(:first as date));

-- name: share_history_months
-- Who may read the partition by default may read every month: a month has just been made.
select share_history_months();

-- name: last_revision
select version_num from alembic_version;

-- name: note_backup
-- A backup is complete, checked and under its name.
insert into backup (started_at, ended_at, place, host, actor, version, blake3, size)
values (:started, :ended, :place, :host, :actor, :version, :blake3, :size);

-- name: restored_number
-- Where numbers go on after a restore: seconds since 2026, so that no restore, of whichever backup, meets those that
-- were given out before it: for this to fail, one item would have to be taken back every second ever since.
select cast(extract(epoch from clock_timestamp() - timestamptz '2026-01-01 00:00:00+00') as bigint) as floor;

-- name: restore_sequences
-- Rows that were made after the backup had ids which nobody here knows; workers may still speak of them. A thousand ids
-- for each second.
select setval(format('%I.%I', schemaname, sequencename)::regclass, greatest(coalesce(last_value, 0) + 1, cast(:floor as bigint) * 1000))
from pg_sequences where schemaname = current_schema();

-- name: restored_attempts
-- Attempts that ran when the backup was taken: nobody knows what became of them. Gives whose folders may be there.
with locked as (
  select i.id, i.epoch, i.step, i.owner from item i where i.phase = 'executing' order by i.id for no key update of i
), ended as (
  update attempt a set ended_at = clock_timestamp(), outcome = 'interrupted', reason_code = 'given-back',
    reason = :reason
  from locked l where a.item_id = l.id and a.outcome = 'running'
)
select id as item, epoch, step, owner from locked;

-- name: restore_items
-- any -> the same state and phase, with an epoch above all that were given out after the backup: what anybody says of
-- those is late. What was with a worker is ready. A file that was skipped goes on saying so.
with locked as (
  select i.id, i.phase in ('submitted', 'executing') as was_out from item i order by i.id for no key update of i
)
update item i set
  epoch = greatest(i.epoch + 1, cast(:floor as bigint)), version = i.version + 1,
  phase = case when l.was_out then 'ready' else i.phase end, owner = null, lease_until = null, submitted_at = null,
  not_before = case when l.was_out then null else i.not_before end,
  reason_code = case when l.was_out then 'given-back' when i.trigger = 'skipped' and i.reason_code = '' then 'skipped'
    else i.reason_code end,
  reason = case when l.was_out then :reason else i.reason end,
  trigger = 'restore', actor = :actor,
  since = case when l.was_out then clock_timestamp() else i.since end, changed_at = clock_timestamp()
from locked l where i.id = l.id;

-- name: restored_operations
-- Actions of operators that were under way: the versions they were meant for are gone.
with ended as (
  update operation set status = 'failed', why = :reason, finished_at = clock_timestamp()
  where status in ('waiting', 'running') and action not in ('campaign-create', 'campaign-grow') returning id
)
delete from operation_item where operation_id in (select id from ended);

-- name: forget_processes
-- Who was alive when the backup was taken.
delete from process;

-- name: forget_watermarks
-- What had been applied of reports to a broker that is gone.
delete from watermark;

-- name: forget_all_depths
delete from queue_depth;

-- name: forget_all_changes
-- They are told by transactions' numbers of the server that is gone.
delete from change;

-- name: forget_sessions
-- Who signed in before the backup, and may have been shut out since.
delete from web_session;

-- name: begin_revision
-- The last word of a restore: without it no process takes the schema for one.
insert into alembic_version (version_num) values (:revision);

-- name: oldest_transaction
-- Whose transaction in this database, of others, has been open for longest.
select pid, application_name, xact_start at time zone 'utc' as since from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
  and backend_type = 'client backend'
order by xact_start limit 1;

-- name: detector_sources
-- Others than this one that have said something within a day; older ones make room.
with gone as (
  delete from detector where until < clock_timestamp() - interval '1 day' and source <> :source
)
select count(*) as others from detector where source <> :source and until >= clock_timestamp() - interval '1 day';

-- name: processes_lately
-- Whose word came in the last two minutes.
select role, host, version from process
where seen_at > clock_timestamp() - interval '2 minutes' and version <> '' order by role, host, owner;

-- name: heard_lately
-- Who was heard of so lately that it is taken to be running; workers, pilots and launchers never touch the database.
select distinct role, host from process
where role not in ('worker', 'pilot', 'launcher') and seen_at > clock_timestamp() - make_interval(secs => :lively_s)
order by role, host;

-- name: daemon_sessions
-- Sessions of processes that work on a schema of this database: a web writes itself down nowhere else. Each says of
-- which instance it is (headframe/web), but those of 0.1.0 only what they are (web).
select application_name as name, min(pid) as pid, application_name = any(:ours) as ours from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
  and (application_name = any(:ours) or application_name = any(:unsaid))
group by application_name order by application_name;

-- name: hold_schema
-- Who restores, or makes safe what was recovered: nobody else does meanwhile, and none upgrades or takes a backup.
select pg_try_advisory_lock(hashtext('restore-' || :instance))
  and pg_try_advisory_lock(hashtext('upgrade-' || :instance)) as mine;

-- name: keep_schema
-- Who takes a backup: nobody restores meanwhile.
select pg_try_advisory_lock_shared(hashtext('restore-' || :instance)) as mine;

-- name: schema_holders
-- Who has the schema for himself.
select l.pid, case when l.mode = 'ShareLock' then 'a backup' when k.name like 'upgrade%' then 'an upgrade'
  else 'a restore' end as what
from (values ('restore-' || :instance), ('upgrade-' || :instance)) as k(name)
join pg_locks l on l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.pid <> pg_backend_pid()
  and l.objid = cast(cast(hashtext(k.name) as bigint) & 4294967295 as oid)
join pg_database d on d.oid = l.database and d.datname = current_database()
order by k.name, l.pid;

-- name: take_your_time
-- Limits that a role or a database has for those who answer people: not for who reads or writes everything.
select set_config(name, '0', true) from pg_settings
where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout');

-- name: last_moment
-- The latest change of an item that the database knows, beside its clock.
select clock_timestamp() as now, max(changed_at) as last from item;

-- name: other_instances
-- How many other schemas in this database are of headframe; one that a restore put aside is none.
select count(*) as n from pg_class c join pg_namespace s on s.oid = c.relnamespace
where c.relname = 'alembic_version' and c.relkind = 'r' and s.nspname <> current_setting('search_path')
  and s.nspname !~ '_before_[0-9]+$';

-- name: schemas_aside
select nspname from pg_namespace where nspname ~ :pattern order by nspname;

-- name: tables_of_schema
-- Those to be analyzed: that of a parted table goes into its parts.
select relname from pg_class
where relnamespace = to_regnamespace(:name) and relkind in ('r', 'p') and not relispartition order by relname;

-- name: schema_comment
select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = :name;
