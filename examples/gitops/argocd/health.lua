-- Health of every kind of holdfast.dev. Without it, Argo CD takes an object for healthy as soon as it exists.
local health = { status = "Progressing", message = "the operator has not looked at it yet" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "the operator has not seen the last change yet"
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function said(condition)
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end
local ready, stalled = conditions["Ready"], conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  -- A pause is somebody's decision; all else that stalls is an error.
  health.status = stalled.reason == "Paused" and "Suspended" or "Degraded"
  health.message = said(stalled)
elseif ready ~= nil and ready.status == "True" then
  health.status = "Healthy"
  health.message = said(ready)
elseif ready ~= nil then
  health.message = said(ready)
end
return health
