{{/* The parts that pods share. Where a worker is spoken of, the context is a dict of root ($), name and resources. */}}

{{- define "rapport.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: rapport
{{- end }}

{{- define "rapport.selector" -}}
app.kubernetes.io/name: rapport
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "rapport.name" -}}
{{- printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .name }}
{{- end }}

{{/* Whose turn it is to spread: pods of one worker are kept apart, where there is room. */}}
{{- define "rapport.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "rapport.selector" . | nindent 6 }}
{{- end }}

{{- define "rapport.environment" -}}
{{- $set := dict
  "RAPPORT_KAFKA" .Values.kafka.brokers
  "RAPPORT_KAFKA_PREFIX" .Values.kafka.prefix
  "RAPPORT_KAFKA_SECURITY" .Values.kafka.security
  "RAPPORT_KAFKA_MECHANISM" .Values.kafka.mechanism
  "RAPPORT_KAFKA_USER" .Values.kafka.user
  "RAPPORT_REPLICATION" .Values.kafka.replication
  "RAPPORT_REDIS" .Values.redis.url
  "RAPPORT_CLICKHOUSE" .Values.clickhouse.url
  "RAPPORT_CLICKHOUSE_CLUSTER" .Values.clickhouse.cluster
  "RAPPORT_PARTITIONS" .Values.partitions
  "RAPPORT_EVENTS" .Values.events
-}}
{{- if .Values.kafka.caSecret }}{{- $_ := set $set "RAPPORT_KAFKA_CA" "/kafka/ca.crt" }}{{- end }}
{{- range $name, $value := merge (dict) .Values.environment $set }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* The security of a pod: nobody in particular, who may do nothing. */}}
{{- define "rapport.nobody" -}}
automountServiceAccountToken: false
enableServiceLinks: false  # a Service called `rapport` would else set RAPPORT_PORT to its address
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "rapport.container" -}}
{{- with .root }}
image: "{{ .Values.image.repository }}:{{ get .Values.image.tags $.name | default .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - secretRef: {name: {{ .Values.secret }}}
env: {{- include "rapport.environment" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "rapport.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
- {name: config, mountPath: /config, readOnly: true}
{{- if .Values.kafka.caSecret }}
- {name: kafka-ca, mountPath: /kafka, readOnly: true}
{{- end }}
{{- end }}

{{/* Keys of a ConfigMap have no slash: rules/x.yaml is kept as rules.x.yaml and laid out again here. */}}
{{- define "rapport.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
- name: config
  configMap:
    name: {{ .Release.Name }}-config
    items:
      {{- range $path, $_ := .Files.Glob "config/**" }}
      {{- $inside := trimPrefix "config/" $path }}
      - {key: {{ $inside | replace "/" "." }}, path: {{ $inside }}}
      {{- end }}
{{- with .Values.kafka.caSecret }}
- {name: kafka-ca, secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- end }}
{{- end }}

{{/* One worker's pod. `data` is left to a StatefulSet where `volume` is set. */}}
{{- define "rapport.pod" -}}
metadata:
  labels: {{- include "rapport.selector" . | nindent 4 }}
    {{- include "rapport.labels" .root | nindent 4 }}
  annotations:
    checksum/config: {{ (.root.Files.Glob "config/**").AsConfig | sha256sum }}
    {{- with .root.Values.pod.annotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- include "rapport.nobody" .root | nindent 2 }}
  terminationGracePeriodSeconds: 60
  topologySpreadConstraints: {{- include "rapport.spread" . | nindent 4 }}
  {{- with .root.Values.pod.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.pod.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.pod.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: {{ .name }}
      args: [worker, {{ .name }}]
      {{- include "rapport.container" . | nindent 6 }}
      ports:
        - {name: health, containerPort: 9464}
        {{- if eq .name "ingest" }}
        - {name: http, containerPort: 8080}
        {{- end }}
      startupProbe: {httpGet: {path: /livez, port: health}, periodSeconds: 2, failureThreshold: 60}
      livenessProbe: {httpGet: {path: /livez, port: health}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
      readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
      {{- if eq .name "ingest" }}
      lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}  # until nobody sends us anything any more
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts: {{- include "rapport.mounts" .root | nindent 8 }}
  volumes: {{- include "rapport.volumes" .root | nindent 4 }}
    {{- if not .volume }}
    - {name: data, emptyDir: {sizeLimit: 256Mi}}
    {{- end }}
{{- end }}
