// Everything that one deployment of the connector needs, as plain resources, in one resource group.
// What the code names (settings, tables, queues, containers) stands here too; tests/infra keeps both sides the same.

targetScope = 'resourceGroup'

@description('Short name of the deployment, lower-case letters and digits: the beginning of every resource name.')
@minLength(3)
@maxLength(9)
param name string = 'avidsync'

@description('Azure region. It must offer Flex Consumption with Python 3.13.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = {}

@description('Redundancy of the storage account. Without geo-redundancy on purpose: a fail-over to a region that lags behind would lose the newest claims, and with them the protection from writing a document twice.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Memory of one instance in MB.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances that the app scales out to.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Days that logs and telemetry are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('Object id of the people (best an Entra group) who run the command line and store secrets. Empty: nobody is given access.')
param operatorPrincipalId string = ''

@description('What operatorPrincipalId is.')
@allowed(['Group', 'User', 'ServicePrincipal'])
param operatorPrincipalType string = 'Group'

@description('Name of the Key Vault secret that holds the HMAC keys of the audit trail.')
@minLength(1)
@maxLength(127)
param auditKeySecret string = 'audit-keys'

@description('Longest slice of a stage in seconds; a longer run goes on in a new message.')
@minValue(1)
@maxValue(480)
param sliceSeconds int = 180

@description('How long a worker holds a stage without a sign of life, in seconds.')
@minValue(10)
@maxValue(600)
param leaseSeconds int = 90

@description('After how many days steps of the audit trail are removed: 366 or more (2557 is seven years), or 0 to keep them for ever. Records and seals stay.')
@minValue(0)
@maxValue(36525)
param auditRetentionDays int = 2557

@description('Tick of the stage vendors: six fields, UTC. What is due at a tick is in the connection documents.')
param vendorsTimer string = '0 */5 * * * *'

@description('Tick of the stage gl_accounts: six fields, UTC.')
param glAccountsTimer string = '0 */5 * * * *'

@description('Tick of the stage dimensions: six fields, UTC.')
param dimensionsTimer string = '0 */5 * * * *'

@description('Tick of the stage invoices: six fields, UTC.')
param invoicesTimer string = '0 */5 * * * *'

@description('Tick of the stage payments: six fields, UTC.')
param paymentsTimer string = '0 */5 * * * *'

@description('Tick of the housekeeping (seals, dead runs, overdue stages): six fields, UTC.')
param housekeepingTimer string = '0 20 * * * *'

var suffix = uniqueString(subscription().id, resourceGroup().id, name)

// The same names as in sync/storage/names.py; the app makes none of them itself in Azure.
var tableNames = ['connections', 'ledger', 'runs', 'gates']
var queueNames = ['stage-runs', 'record-retries', 'replays']
var containerNames = ['payloads', 'crawls', 'seals']
var deploymentContainerName = 'deployments'

// Ids of built-in roles, the same in every tenant.
var roles = {
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// Owner, not Contributor, on blobs: the Functions host asks for it (leases of timers, the keys of the functions).
var appStorageRoleIds = [roles.storageBlobDataOwner, roles.storageQueueDataContributor, roles.storageTableDataContributor]
var operatorStorageRoleIds = empty(operatorPrincipalId) ? [] : [roles.storageBlobDataContributor, roles.storageQueueDataContributor, roles.storageTableDataContributor]

// ---------- Who the app is ----------

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-${suffix}'
  location: location
  tags: tags
}

// ---------- Logs ----------

resource logAnalytics 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${name}-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: logRetentionDays
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    IngestionMode: 'LogAnalytics'
    WorkspaceResourceId: logAnalytics.id
    DisableLocalAuth: true
  }
}

// ---------- Secrets: only the vault; the template stores none ----------

resource keyVault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kv${name}${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: 'Enabled'
  }
}

// ---------- Storage: reachable from the internet, but only with an Entra token that has a data role ----------

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'st${name}${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: storageSku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
  }
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: storage
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: storage
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

resource poisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: '${queue}-poison'
}]

// No soft delete of blobs: crawl memories are written anew all the time, and every old version would be kept.
resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: storage
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 30
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for container in containerNames: {
  parent: blobService
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

resource deploymentContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobService
  name: deploymentContainerName
  properties: {
    publicAccess: 'None'
  }
}

// ---------- What the app may do ----------

resource storageRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appStorageRoleIds: {
  name: guid(storage.id, identity.id, role)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource vaultRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(keyVault.id, identity.id, roles.keyVaultSecretsUser)
  scope: keyVault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

resource telemetryRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, identity.id, roles.monitoringMetricsPublisher)
  scope: applicationInsights
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}

// ---------- What the operators may do: the command line, and storing secrets ----------

resource operatorStorageRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in operatorStorageRoleIds: {
  name: guid(storage.id, operatorPrincipalId, role)
  scope: storage
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource operatorVaultRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(keyVault.id, operatorPrincipalId, roles.keyVaultSecretsOfficer)
  scope: keyVault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}

// ---------- The app ----------

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource functionApp 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${name}-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
  }
  dependsOn: [
    deploymentContainer
    storageRoles
  ]
}

// Only names that the code reads, that the triggers name, or that stand in settings.json with their reason.
resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: functionApp
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__accountName: storage.name
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    AZURE_CLIENT_ID: identity.properties.clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    PYTHON_THREADPOOL_THREAD_COUNT: '8'
    KEY_VAULT_URL: keyVault.properties.vaultUri
    AUDIT_KEY_SECRET: auditKeySecret
    SYNC_SLICE_SECONDS: string(sliceSeconds)
    SYNC_LEASE_SECONDS: string(leaseSeconds)
    SYNC_AUDIT_RETENTION_DAYS: string(auditRetentionDays)
    SYNC_TIMER_VENDORS: vendorsTimer
    SYNC_TIMER_GL_ACCOUNTS: glAccountsTimer
    SYNC_TIMER_DIMENSIONS: dimensionsTimer
    SYNC_TIMER_INVOICES: invoicesTimer
    SYNC_TIMER_PAYMENTS: paymentsTimer
    SYNC_TIMER_HOUSEKEEPING: housekeepingTimer
  }
  dependsOn: [
    tables
    queues
    poisonQueues
    containers
    vaultRole
    telemetryRole
  ]
}

// ---------- For the next steps in docs/deployment.md ----------

@description('Publish the code to this app.')
output functionAppName string = functionApp.name

@description('Where /api/health answers.')
output functionAppHost string = functionApp.properties.defaultHostName

@description('The storage account, for the command line.')
output storageAccountName string = storage.name

@description('The vault, for storing secrets.')
output keyVaultName string = keyVault.name

@description('The address of the vault, for the command line.')
output keyVaultUrl string = keyVault.properties.vaultUri

@description('The name of the secret with the audit keys, which the operator stores.')
output auditKeySecretName string = auditKeySecret
