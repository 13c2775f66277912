/** What may go wrong in a manifest: a row a fault, with the rule that must find it. */
import { get, type Json, type Manifest, nameOf, put } from './manifest.ts';
import type { podRules } from './pod-rules.ts';
import type { productRules } from './product-rules.ts';
import type { wiringRules } from './wiring-rules.ts';

export type RuleName = 'schema' | keyof typeof podRules | keyof typeof wiringRules | keyof typeof productRules;
export type Rendering = 'local' | 'gpu' | 'spot' | 'pool' | 'dra' | 'vulkan' | 's3';
type Change = (manifests: readonly Manifest[]) => readonly Manifest[];

const job = 'Job/worker';
const coordinator = 'StatefulSet/coordinator';
const pod = 'spec.template.spec';
const container = `${pod}.containers.0`;

/** Another value at a path of an object; undefined takes it out. */
const set =
  (name: string, path: string, value: Json | undefined): Change =>
  (manifests) => {
    if (!manifests.some((manifest) => nameOf(manifest) === name)) throw new Error(`there is no ${name}`);
    return manifests.map((manifest) => {
      if (nameOf(manifest) !== name) return manifest;
      if (value === undefined && get(manifest, path) === undefined) throw new Error(`${name} has no ${path}`);
      return put(manifest, path, value);
    });
  };
const without =
  (name: string): Change =>
  (manifests) => {
    if (!manifests.some((manifest) => nameOf(manifest) === name)) throw new Error(`there is no ${name}`);
    return manifests.filter((manifest) => nameOf(manifest) !== name);
  };
/** A text of the whole rendering for another. */
const say =
  (before: string, after: string): Change =>
  (manifests) => {
    const text = JSON.stringify(manifests);
    if (!text.includes(before)) throw new Error(`nothing says ${before}`);
    return JSON.parse(text.replaceAll(before, after)) as Manifest[];
  };

// prettier-ignore
export const faults: readonly (readonly [rule: RuleName, fault: string, in_: Rendering, change: Change])[] = [
  ['schema', 'a field with a typing error', 'gpu', set(job, `${pod}.terminationGracePeriodSecond`, 30)],
  ['schema', 'a field in the wrong place', 'gpu', set(job, 'spec.restartPolicy', 'Never')],
  ['schema', 'a text for a number', 'gpu', set(job, 'spec.parallelism', '4')],
  ['schema', 'a number for a text', 'gpu', set(coordinator, `${container}.args.0`, 7)],
  ['schema', 'a map for a list', 'gpu', set(job, `${container}.args`, { worker: true })],
  ['schema', 'a list for a map', 'gpu', set('Service/coordinator', 'spec.selector', ['coordinator'])],
  ['schema', 'a word that is none', 'gpu', set(job, 'spec.podFailurePolicy.rules.0.action', 'FailTheJob')],
  ['schema', 'a required field left out', 'gpu', set(job, `${container}.name`, undefined)],
  ['schema', 'a quantity that is none', 'gpu', set(job, `${container}.resources.limits.memory`, '16 GB')],
  ['schema', 'a port that is a fraction', 'gpu', set('Service/coordinator', 'spec.ports.0.port', 7777.5)],
  ['schema', 'a field that is there but empty', 'gpu', set(job, `${pod}.securityContext`, null)],
  ['schema', 'a kind of another version', 'dra', set('ResourceClaimTemplate/worker-gpu', 'apiVersion', 'resource.k8s.io/v1beta1')],
  ['schema', 'a device request as it was before it was stable', 'dra', set('ResourceClaimTemplate/worker-gpu', 'spec.spec.devices.requests.0.deviceClassName', 'gpu.nvidia.com')],
  ['schema', 'a field that KEDA has not', 'pool', set('ScaledObject/worker', 'spec.maxReplicas', 8)],
  ['schema', 'a field that an alert has not', 'pool', set('PrometheusRule/noisefold', 'spec.groups.0.rules.0.severity', 'critical')],
  ['schema', 'a field that a monitor has not', 'pool', set('ServiceMonitor/noisefold', 'spec.endpoints.0.url', '/metrics')],

  ['restricted Pod Security', 'root', 'gpu', set(job, `${pod}.securityContext.runAsNonRoot`, false)],
  ['restricted Pod Security', 'root by its number', 'gpu', set(job, `${container}.securityContext.runAsUser`, 0)],
  ['restricted Pod Security', 'no seccomp profile', 'gpu', set(job, `${pod}.securityContext.seccompProfile`, undefined)],
  ['restricted Pod Security', 'an unconfined container', 'gpu', set(job, `${container}.securityContext.seccompProfile`, { type: 'Unconfined' })],
  ['restricted Pod Security', 'a privileged container', 'gpu', set(job, `${container}.securityContext.privileged`, true)],
  ['restricted Pod Security', 'privilege escalation', 'gpu', set(coordinator, `${container}.securityContext.allowPrivilegeEscalation`, undefined)],
  ['restricted Pod Security', 'capabilities kept', 'gpu', set(coordinator, `${container}.securityContext.capabilities`, undefined)],
  ['restricted Pod Security', 'a capability added', 'gpu', set(coordinator, `${container}.securityContext.capabilities.add`, ['SYS_ADMIN'])],
  ['restricted Pod Security', 'the node’s network', 'gpu', set(job, `${pod}.hostNetwork`, true)],
  ['restricted Pod Security', 'a port of the node', 'gpu', set(coordinator, `${container}.ports.0.hostPort`, 7777)],
  ['restricted Pod Security', 'a folder of the node', 'gpu', set(job, `${pod}.volumes.1`, { name: 'cache', hostPath: { path: '/var/cache' } })],

  ['user 10001, read-only images, no token', 'another user', 'gpu', set(job, `${pod}.securityContext.runAsUser`, 1000)],
  ['user 10001, read-only images, no token', 'no group for the key file', 'gpu', set(job, `${pod}.securityContext.fsGroup`, undefined)],
  ['user 10001, read-only images, no token', 'a writable image', 'gpu', set(coordinator, `${container}.securityContext.readOnlyRootFilesystem`, undefined)],
  ['user 10001, read-only images, no token', 'a token', 'gpu', set(job, `${pod}.automountServiceAccountToken`, undefined)],
  ['user 10001, read-only images, no token', 'service links', 'gpu', set(job, `${pod}.enableServiceLinks`, undefined)],

  ['requests, and limits of memory and storage', 'no requests', 'gpu', set(job, `${container}.resources.requests`, undefined)],
  ['requests, and limits of memory and storage', 'no limit of memory', 'gpu', set(coordinator, `${container}.resources.limits.memory`, undefined)],
  ['requests, and limits of memory and storage', 'a request above its limit', 'gpu', set(job, `${container}.resources.requests.memory`, '32Gi')],
  ['requests, and limits of memory and storage', 'a folder without a limit', 'gpu', set(job, `${pod}.volumes.1.emptyDir`, {})],
  ['requests, and limits of memory and storage', 'folders larger than the limit of their pod', 'gpu', set(job, `${pod}.volumes.1.emptyDir.sizeLimit`, '20Gi')],

  ['volumes are there, and used', 'a mount of nothing', 'gpu', set(job, `${container}.volumeMounts.1.name`, 'cash')],
  ['volumes are there, and used', 'a volume for nobody', 'gpu', set(coordinator, `${container}.volumeMounts`, [])],

  ['one device a GPU worker', 'no GPU', 'gpu', say(',"nvidia.com/gpu":"1"', '')],
  ['one device a GPU worker', 'two GPUs', 'gpu', say('"nvidia.com/gpu":"1"', '"nvidia.com/gpu":"2"')],
  ['one device a GPU worker', 'a GPU and a slice', 'gpu', say('"nvidia.com/gpu":"1"', '"nvidia.com/gpu":"1","nvidia.com/mig-1g.10gb":"1"')],
  ['one device a GPU worker', 'a GPU for a CPU worker', 'local', say('"limits":{', '"limits":{"nvidia.com/gpu":"1",')],
  ['one device a GPU worker', 'a claim that the pod has not', 'dra', set(job, `${container}.resources.claims.0.name`, 'card')],

  ['selectors find pods', 'a StatefulSet that does not know its pods', 'gpu', set(coordinator, 'spec.selector.matchLabels', { app: 'noisefold' })],
  ['selectors find pods', 'a Service of nobody', 'gpu', set('Service/coordinator', 'spec.selector', { app: 'coordinator' })],
  ['selectors find pods', 'a budget of nobody', 'gpu', set('PodDisruptionBudget/coordinator', 'spec.selector.matchLabels', { app: 'coordinator' })],
  ['selectors find pods', 'a policy of nobody', 'gpu', set('NetworkPolicy/worker', 'spec.podSelector.matchLabels', { app: 'worker' })],
  ['selectors find pods', 'a policy that lets nobody in', 'gpu', set('NetworkPolicy/coordinator', 'spec.ingress.0.from.0.podSelector.matchLabels', { app: 'worker' })],
  ['selectors find pods', 'a monitor of nothing', 'pool', set('ServiceMonitor/noisefold', 'spec.selector.matchLabels', { app: 'coordinator' })],

  ['workers are spread', 'a spread by other labels', 'gpu', set(job, `${pod}.topologySpreadConstraints.0.labelSelector.matchLabels`, { app: 'worker' })],
  ['workers are spread', 'no spread', 'gpu', set(job, `${pod}.topologySpreadConstraints`, undefined)],

  ['ports are there', 'a service to a port that is not there', 'gpu', set('Service/coordinator', 'spec.ports.0.targetPort', 'zeromq')],
  ['ports are there', 'a policy for another port', 'gpu', set('NetworkPolicy/coordinator', 'spec.ingress.0.ports.0.port', 7778)],
  ['ports are there', 'workers may leave by another port', 'gpu', set('NetworkPolicy/worker', 'spec.egress.0.ports.0.port', 7778)],
  ['ports are there', 'a monitor of another port', 'pool', set('ServiceMonitor/noisefold', 'spec.endpoints.0.port', 'metrics')],

  ['closed but for what is needed', 'nothing is closed', 'gpu', without('NetworkPolicy/default-deny')],
  ['closed but for what is needed', 'egress is open', 'gpu', set('NetworkPolicy/default-deny', 'spec.policyTypes', ['Ingress'])],
  ['closed but for what is needed', 'everybody may come', 'gpu', set('NetworkPolicy/coordinator', 'spec.ingress.0.from', undefined)],
  ['closed but for what is needed', 'all ports are open', 'gpu', set('NetworkPolicy/coordinator', 'spec.ingress.0.ports', undefined)],

  ['one namespace, restricted', 'another namespace', 'gpu', set('Service/coordinator', 'metadata.namespace', 'default')],
  ['one namespace, restricted', 'a namespace that only warns', 'gpu', say('"pod-security.kubernetes.io/enforce":"restricted"', '"pod-security.kubernetes.io/enforce":"baseline"')],
  ['one namespace, restricted', 'two of a name', 'gpu', (manifests) => [...manifests, ...manifests.slice(-1)]],

  ['one coordinator, durable', 'two coordinators', 'gpu', set(coordinator, 'spec.replicas', 2)],
  ['one coordinator, durable', 'a volume that is deleted', 'gpu', set(coordinator, 'spec.persistentVolumeClaimRetentionPolicy.whenDeleted', 'Delete')],
  ['one coordinator, durable', 'a shared volume', 'gpu', set(coordinator, 'spec.volumeClaimTemplates.0.spec.accessModes', ['ReadWriteMany'])],
  ['one coordinator, durable', 'no service', 'gpu', set(coordinator, 'spec.serviceName', 'noisefold')],
  ['one coordinator, durable', 'a budget that holds up node drains', 'gpu', set('PodDisruptionBudget/coordinator', 'spec.maxUnavailable', 0)],

  ['KEDA scales what is there', 'a Deployment that is not there', 'pool', set('ScaledObject/worker', 'spec.scaleTargetRef.name', 'workers')],
  ['KEDA scales what is there', 'a size beside KEDA’s', 'pool', set('Deployment/worker', 'spec.replicas', 2)],
  ['KEDA scales what is there', 'more at least than at most', 'pool', set('ScaledObject/worker', 'spec.minReplicaCount', 9)],
  ['claims have templates', 'no template', 'dra', without('ResourceClaimTemplate/worker-gpu')],

  ['options are options', 'an option that is none', 'gpu', say('--idle-exit=900', '--idle-timeout=900')],
  ['options are options', 'a required option left out', 'gpu', say('--data=/data', '--insecure')],
  ['options are options', 'a value that is none', 'gpu', say('--device=cuda', '--device=gpu')],
  ['options are options', 'an option twice', 'vulkan', say('--name=$(WORKER_NAME)', '--device=cuda')],
  ['options are options', 'a command that is none', 'gpu', set(job, `${container}.args.0`, 'work')],

  ['environment variables are read', 'a variable of another name', 'gpu', say('NOISEFOLD_CONNECT', 'NOISEFOLD_COORDINATOR')],
  ['environment variables are read', 'a name that stands for nothing', 'gpu', say('$(WORKER_NAME)', '$(NODE_NAME)')],

  ['addresses and ports are the code’s', 'another port than that of --listen', 'gpu', say('--listen=tcp://0.0.0.0:7777', '--listen=tcp://0.0.0.0:7778')],
  ['addresses and ports are the code’s', 'another port of health', 'gpu', say('--http=0.0.0.0:9090', '--http=0.0.0.0:9091')],
  ['addresses and ports are the code’s', 'a coordinator of another name', 'gpu', say('tcp://coordinator:7777', 'tcp://noisefold:7777')],
  ['addresses and ports are the code’s', 'another port throughout', 'gpu', (manifests) => say(':7777,', ':7778,')(say(':7777"', ':7778"')(manifests))],

  ['exit codes mean what they mean', '78 is tried again', 'gpu', set(job, 'spec.podFailurePolicy.rules.0.onExitCodes.values', [79])],
  ['exit codes mean what they mean', '75 counts as a failure', 'gpu', set(job, 'spec.podFailurePolicy.rules.2.onExitCodes.values', [143])],
  ['exit codes mean what they mean', 'an eviction counts as a failure', 'gpu', set(job, 'spec.podFailurePolicy.rules.1', undefined)],
  ['exit codes mean what they mean', 'a wrong key looks like an eviction', 'gpu', (manifests) => {
    const rules = manifests.flatMap((manifest) => get(manifest, 'spec.podFailurePolicy.rules') ?? []) as readonly Json[];
    return set(job, 'spec.podFailurePolicy.rules', rules.toReversed())(manifests);
  }],
  ['exit codes mean what they mean', 'a rule for another container', 'gpu', set(job, 'spec.podFailurePolicy.rules.0.onExitCodes.containerName', 'main')],
  ['exit codes mean what they mean', 'restarts in place', 'gpu', set(job, `${pod}.restartPolicy`, 'OnFailure')],
  ['exit codes mean what they mean', 'replaced while it leaves', 'gpu', set(job, 'spec.podReplacementPolicy', 'TerminatingOrFailed')],
  ['exit codes mean what they mean', 'one wrong worker ends all', 'gpu', set(job, 'spec.podFailurePolicy.rules.0.action', 'FailJob')],
  ['exit codes mean what they mean', 'indexes without failures of their own', 'gpu', set(job, 'spec.backoffLimitPerIndex', undefined)],
  ['exit codes mean what they mean', 'pods that are all alike', 'gpu', set(job, 'spec.completionMode', 'NonIndexed')],
  ['exit codes mean what they mean', 'a limit for all of them', 'gpu', set(job, 'spec.backoffLimit', 30)],
  ['exit codes mean what they mean', 'more workers, but only once', 'gpu', set(job, 'spec.parallelism', 8)],
  ['exit codes mean what they mean', 'workers that never end', 'gpu', say('--idle-exit=900', '--threads=1')],
  ['exit codes mean what they mean', 'a pool that is not started again', 'pool', set('Deployment/worker', `${pod}.restartPolicy`, 'Never')],

  ['time enough to leave', 'GKE’s 15 seconds as the limit', 'gpu', set(job, `${pod}.terminationGracePeriodSeconds`, 15)],
  ['time enough to leave', 'no time', 'gpu', set(coordinator, `${pod}.terminationGracePeriodSeconds`, undefined)],

  ['probes ask what is served', 'no liveness probe', 'gpu', set(job, `${container}.livenessProbe`, undefined)],
  ['probes ask what is served', 'no readiness probe', 'gpu', set(coordinator, `${container}.readinessProbe`, undefined)],
  ['probes ask what is served', 'a path that is not served', 'gpu', say('/readyz', '/ready')],
  ['probes ask what is served', 'killed for not being ready', 'gpu', set(coordinator, `${container}.livenessProbe.httpGet.path`, '/readyz')],
  ['probes ask what is served', 'a probe of the wrong port', 'gpu', set(coordinator, `${container}.livenessProbe.httpGet.port`, 'zmq')],

  ['images of this version', 'the latest', 'gpu', set(job, `${container}.image`, 'noisefold-worker-gpu:latest')],
  ['images of this version', 'no version', 'gpu', set(job, `${container}.image`, 'noisefold-worker-gpu')],
  ['images of this version', 'an image of others', 'gpu', set(job, `${container}.image`, 'busybox:0.1.0')],
  ['images of this version', 'pulled at every start', 'gpu', set(job, `${container}.imagePullPolicy`, 'Always')],

  ['keys as files, each to whom it belongs', 'another Secret', 'gpu', set(job, `${pod}.volumes.0.secret.secretName`, 'keys')],
  ['keys as files, each to whom it belongs', 'the coordinator’s key for workers', 'gpu', set(job, `${pod}.volumes.0.secret.items.1`, { key: 'coordinator.json', path: 'coordinator.json' })],
  ['keys as files, each to whom it belongs', 'all keys for all', 'gpu', set(job, `${pod}.volumes.0.secret.items`, undefined)],
  ['keys as files, each to whom it belongs', 'keys that everybody may read', 'gpu', set(job, `${pod}.volumes.0.secret.defaultMode`, 0o444)],
  ['keys as files, each to whom it belongs', 'a mount that never changes', 'gpu', set(coordinator, `${container}.volumeMounts.1.subPath`, 'keys')],
  ['keys as files, each to whom it belongs', 'another folder', 'gpu', say('"value":"/keys/worker.json"', '"value":"/key/worker.json"')],
  ['keys as files, each to whom it belongs', 'a key in the environment', 'gpu', set(job, `${container}.env.0.valueFrom`, { secretKeyRef: { name: 'noisefold-keys', key: 'worker.json' } })],

  ['folders can be written', 'studies in the image', 'gpu', say('--data=/data', '--data=/srv')],
  ['folders can be written', 'a cache in the image', 'gpu', say('--cache=/cache', '--cache=/var/cache')],
  ['folders can be written', 'no /tmp', 'gpu', set(job, `${container}.volumeMounts.2.mountPath`, '/temporary')],
  ['folders can be written', 'a cache larger than its folder', 'gpu', say('--cache-size=10GiB', '--cache-size=12GiB')],

  ['metrics are those of the page', 'an alert on nothing', 'pool', say('noisefold_disk_full', 'noisefold_disk_is_full')],
  ['metrics are those of the page', 'a histogram by its name alone', 'pool', say('noisefold_commit_seconds_bucket', 'noisefold_commit_seconds')],
  ['metrics are those of the page', 'a label that a metric has not', 'pool', say('noisefold_workers{status', 'noisefold_workers{state')],
  ['metrics are those of the page', 'a trigger on nothing', 'pool', set('ScaledObject/worker', 'spec.triggers.0.metadata.valueLocation', 'noisefold_backlog')],
  ['KEDA asks the coordinator', 'another namespace', 'pool', say('coordinator.noisefold.svc', 'coordinator.default.svc')],
  ['KEDA asks the coordinator', 'another port', 'pool', say('svc.cluster.local:9090', 'svc.cluster.local:7777')],
];
