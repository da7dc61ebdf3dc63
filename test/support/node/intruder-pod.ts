/** A pod with a second server on a folder of the node, past every claim. */
export function intruderPod(image: string, path: string): object {
  const credentials = ['', 'OPERATOR_'].flatMap((whose) => [
    { name: `HOLDFAST_${whose}ACCESS_KEY_ID`, value: `${whose}INTRUDER` },
    { name: `HOLDFAST_${whose}SECRET_ACCESS_KEY`, value: 'intruder-secret-for-tests-only' },
  ])
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'intruder', namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      securityContext: { runAsUser: 65_532, runAsGroup: 65_532 },
      containers: [
        {
          name: 'server',
          image,
          imagePullPolicy: 'Never',
          args: ['server', '--data=/data'],
          env: credentials,
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', hostPath: { path } }],
    },
  }
}
