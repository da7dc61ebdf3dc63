/**
 * What one ClusterRetentionPolicy refuses of a RetentionPolicy before the operator would: its twin is `ceilingBar` in
 * src/api/cluster-retention.ts, which sees all of them together and judges again.
 */
import { apiGroup } from '../../api/metadata.ts'
import { celCovers } from '../../api/periods.ts'
import { celPeriod, celSelects, deny, type Guard } from './guards.ts'

/**
 * A default, a rule or a minimum beyond the ceiling. What the policy had already is let through: an edit elsewhere, a
 * tightening first, is not to wait for a ceiling that came later.
 */
export function ceiling(): Guard {
  const exceeds = (what: string, period: string) =>
    `${what} + ' of ' + ${celPeriod(period)} + ' exceeds the ceiling of ' + ${celPeriod('variables.ceiling')} + ` +
    "' of ClusterRetentionPolicy ' + params.metadata.name"
  const message = 'a ClusterRetentionPolicy that binds this namespace has a lower ceiling'
  return {
    name: `ceiling.${apiGroup}`,
    actions: deny,
    parameters: 'ClusterRetentionPolicy',
    targets: [{ apiGroups: [apiGroup], operations: ['CREATE', 'UPDATE'], resources: ['retentionpolicies'] }],
    condition: "request.operation == 'CREATE' || object.spec != oldObject.spec",
    variables: {
      labels: 'has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}',
      isBound: `has(params.spec.ceiling) && ${celSelects('params.spec.namespaceSelector', 'variables.labels')}`,
      ceiling: 'params.spec.ceiling',
      before:
        "request.operation == 'UPDATE' && oldObject.spec.defaultRetention.mode == object.spec.defaultRetention.mode " +
        '? [oldObject.spec] : []',
      beyond:
        'has(object.spec.rules) ? object.spec.rules.filter(r, ' +
        `!${celCovers('variables.ceiling', 'r')} && !variables.before.exists(o, has(o.rules) && r in o.rules)) : []`,
    },
    checks: [
      {
        expression:
          `!variables.isBound || ${celCovers('variables.ceiling', 'object.spec.defaultRetention')} || ` +
          'variables.before.exists(o, o.defaultRetention == object.spec.defaultRetention)',
        message,
        messageExpression: exceeds("'the default'", 'object.spec.defaultRetention'),
        reason: 'Invalid',
      },
      {
        expression: '!variables.isBound || size(variables.beyond) == 0',
        message,
        messageExpression: exceeds(
          `'the rule for "' + variables.beyond[0].prefix + '"'`,
          'variables.beyond[0]',
        ),
        reason: 'Invalid',
      },
      {
        expression:
          `!variables.isBound || !has(object.spec.minimum) || ${celCovers('variables.ceiling', 'object.spec.minimum')} || ` +
          'variables.before.exists(o, has(o.minimum) && o.minimum == object.spec.minimum)',
        message,
        messageExpression: exceeds("'the minimum'", 'object.spec.minimum'),
        reason: 'Invalid',
      },
    ],
  }
}
