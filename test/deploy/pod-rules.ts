/** What holds for every pod, whatever runs in it: restricted Pod Security and the rules of this house. */
import { bytesOf, get, listAt, mapAt, podsOf, scalar, textAt, type Json, type Manifest, type Pod } from './manifest.ts';

export type Rule = (manifests: readonly Manifest[]) => string[];

/** A rule about one pod, for all of them. */
export const eachPod =
  (rule: (pod: Pod, manifests: readonly Manifest[]) => readonly string[]): Rule =>
  (manifests) =>
    podsOf(manifests).flatMap((pod) => rule(pod, manifests).map((problem) => `${pod.owner}: ${problem}`));

/** A rule about one container, for all of them. */
const eachContainer = (rule: (container: Json, pod: Pod) => readonly (string | false)[]): Rule =>
  eachPod((pod) =>
    pod.containers.flatMap((container) =>
      rule(container, pod).flatMap((problem) => (problem === false ? [] : [`${textAt(container, 'name')}: ${problem}`])),
    ),
  );

const when = (condition: boolean, problem: string): string[] => (condition ? [problem] : []);

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted */
const restrictedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const restricted: Rule = (manifests) => [
  ...eachPod(({ spec }) => [
    ...['hostNetwork', 'hostPID', 'hostIPC'].flatMap((field) => when(get(spec, field) === true, field)),
    ...when(get(spec, 'securityContext.runAsNonRoot') !== true, 'runAsNonRoot is not true'),
    ...when(get(spec, 'securityContext.runAsUser') === 0, 'runs as root'),
    ...when(textAt(spec, 'securityContext.seccompProfile.type') !== 'RuntimeDefault', 'no seccomp profile'),
    ...when(listAt(spec, 'securityContext.sysctls').length > 0, 'sets sysctls'),
    ...listAt(spec, 'volumes').flatMap((volume) =>
      Object.keys(volume as Manifest)
        .filter((kind) => kind !== 'name' && !restrictedVolumes.includes(kind))
        .map((kind) => `a ${kind} volume`),
    ),
  ])(manifests),
  ...eachContainer((container) => {
    const context = mapAt(container, 'securityContext');
    return [
      context['privileged'] === true && 'is privileged',
      context['allowPrivilegeEscalation'] !== false && 'may gain privileges',
      (context['runAsNonRoot'] === false || context['runAsUser'] === 0) && 'runs as root',
      JSON.stringify(listAt(context, 'capabilities.drop')) !== '["ALL"]' && 'keeps capabilities',
      listAt(context, 'capabilities.add').length > 0 && 'adds capabilities',
      context['procMount'] !== undefined && 'sets procMount',
      context['seccompProfile'] !== undefined &&
        textAt(context, 'seccompProfile.type') !== 'RuntimeDefault' &&
        'no seccomp profile',
      listAt(container, 'ports').some((port) => get(port, 'hostPort') !== undefined) && 'takes a port of the node',
    ];
  })(manifests),
];

/** The user of the images. */
const user = 10001;
const hardened: Rule = (manifests) => [
  ...eachPod(({ spec }) => [
    ...['runAsUser', 'runAsGroup', 'fsGroup'].flatMap((field) =>
      when(get(spec, `securityContext.${field}`) !== user, `${field} is not ${user}`),
    ),
    ...when(get(spec, 'automountServiceAccountToken') !== false, 'has a token for the API server'),
    ...when(get(spec, 'enableServiceLinks') !== false, 'has the addresses of all services in its environment'),
  ])(manifests),
  ...eachContainer((container) => [get(container, 'securityContext.readOnlyRootFilesystem') !== true && 'may write its image'])(
    manifests,
  ),
];

const resources: Rule = (manifests) => [
  ...eachContainer((container) => [
    ...['cpu', 'memory', 'ephemeral-storage'].map(
      (name) => get(container, `resources.requests.${name}`) === undefined && `requests no ${name}`,
    ),
    ...['memory', 'ephemeral-storage'].map(
      (name) => get(container, `resources.limits.${name}`) === undefined && `has no limit of ${name}`,
    ),
    ...Object.entries(mapAt(container, 'resources.requests')).map(([name, request]) => {
      const limit = get(container, `resources.limits.${name}`);
      return limit !== undefined && bytesOf(request) > bytesOf(limit) && `requests more ${name} than its limit`;
    }),
  ])(manifests),
  ...eachPod(({ spec, containers }) => {
    const folders = listAt(spec, 'volumes').filter((volume) => get(volume, 'emptyDir') !== undefined);
    const room = containers.reduce<number>(
      (sum, container) => sum + bytesOf(get(container, 'resources.limits.ephemeral-storage')),
      0,
    );
    const taken = folders.reduce<number>((sum, volume) => sum + bytesOf(get(volume, 'emptyDir.sizeLimit')), 0);
    return [
      ...folders.flatMap((volume) =>
        when(get(volume, 'emptyDir.sizeLimit') === undefined, `${textAt(volume, 'name')} has no limit of size`),
      ),
      ...when(taken > room, 'its folders may hold more than its limit of ephemeral-storage'),
    ];
  })(manifests),
];

const mounts: Rule = eachPod(({ spec, manifest, containers }) => {
  const volumes = [
    ...listAt(spec, 'volumes').map((volume) => textAt(volume, 'name')),
    ...listAt(manifest, 'spec.volumeClaimTemplates').map((claim) => textAt(claim, 'metadata.name')),
  ];
  const used = containers.flatMap((container) => listAt(container, 'volumeMounts').map((mount) => textAt(mount, 'name')));
  return [
    ...used.filter((name) => !volumes.includes(name)).map((name) => `mounts ${name}, which is no volume`),
    ...volumes.filter((name) => !used.includes(name)).map((name) => `${name} is mounted nowhere`),
  ];
});

/** One device a GPU worker, asked for in one way; none for others. */
const devices: Rule = eachContainer((container, { spec }) => {
  const extended = Object.entries(mapAt(container, 'resources.limits')).filter(([name]) => name.startsWith('nvidia.com/'));
  const claims = listAt(container, 'resources.claims').map((claim) => textAt(claim, 'name'));
  const known = listAt(spec, 'resourceClaims').map((claim) => textAt(claim, 'name'));
  const wanted = listAt(container, 'args').includes('--devices=gpu') ? 1 : 0;
  return [
    extended.length + claims.length !== wanted && `asks for ${extended.length + claims.length} devices, and uses ${wanted}`,
    extended.some(([, count]) => scalar(count) !== '1') && 'asks for several devices of a kind',
    claims.some((claim) => !known.includes(claim)) && 'claims what its pod does not',
  ];
});

export const podRules = {
  'restricted Pod Security': restricted,
  'user 10001, read-only images, no token': hardened,
  'requests, and limits of memory and storage': resources,
  'volumes are there, and used': mounts,
  'one device a GPU worker': devices,
} satisfies Record<string, Rule>;
