{{/* Generated from examples/kubernetes by npm run chart: edit there. */}}
{{- define "holdfast.rules.holdfast-operator" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
    - lockedbuckets
    - bucketaccesses
  verbs:
    - get
    - list
    - watch
- apiGroups:
    - holdfast.dev
  resources:
    - lockedbuckets
  verbs:
    - patch
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies/status
    - lockedbuckets/status
    - bucketaccesses/status
  verbs:
    - get
    - patch
- apiGroups:
    - ""
  resources:
    - events
  verbs:
    - create
    - patch
- apiGroups:
    - ""
  resources:
    - namespaces
  resourceNames:
    - kube-system
  verbs:
    - get
- apiGroups:
    - holdfast.dev
  resources:
    - clusterretentionpolicies
  verbs:
    - get
    - list
    - watch
- apiGroups:
    - holdfast.dev
  resources:
    - clusterretentionpolicies/status
  verbs:
    - get
    - patch
- apiGroups:
    - ""
  resources:
    - namespaces
  verbs:
    - list
    - watch
- apiGroups:
    - admissionregistration.k8s.io
  resources:
    - validatingadmissionpolicies
    - validatingadmissionpolicybindings
  verbs:
    - list
    - watch
- apiGroups:
    - ""
  resources:
    - persistentvolumes
  verbs:
    - get
    - patch
{{- end }}

{{- define "holdfast.rules.holdfast-operator-secrets" -}}
- apiGroups:
    - ""
  resources:
    - secrets
  verbs:
    - get
    - create
    - patch
{{- end }}

{{- define "holdfast.rules.holdfast-view" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
    - lockedbuckets
    - bucketaccesses
    - clusterretentionpolicies
  verbs:
    - get
    - list
    - watch
{{- end }}

{{- define "holdfast.rules.holdfast-edit" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
  verbs:
    - create
    - patch
    - update
- apiGroups:
    - holdfast.dev
  resources:
    - lockedbuckets
    - bucketaccesses
  verbs:
    - create
    - patch
    - update
    - delete
    - deletecollection
{{- end }}

{{- define "holdfast.rules.holdfast-admin" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
  verbs:
    - delete
    - deletecollection
{{- end }}

{{- define "holdfast.rules.holdfast-retention-officer" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
    - lockedbuckets
    - bucketaccesses
  verbs:
    - get
    - list
    - watch
    - create
    - patch
    - update
    - delete
    - bypassgovernance
    - orphan
{{- end }}

{{- define "holdfast.rules.holdfast-objects" -}}
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies
    - lockedbuckets
    - bucketaccesses
  verbs:
    - get
    - list
    - watch
- apiGroups:
    - holdfast.dev
  resources:
    - lockedbuckets
  verbs:
    - patch
- apiGroups:
    - holdfast.dev
  resources:
    - retentionpolicies/status
    - lockedbuckets/status
    - bucketaccesses/status
  verbs:
    - get
    - patch
- apiGroups:
    - ""
  resources:
    - events
  verbs:
    - create
    - patch
- apiGroups:
    - ""
  resources:
    - secrets
  verbs:
    - get
    - create
    - patch
{{- end }}
