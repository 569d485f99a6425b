// An example: copy it, fill it in, and keep the copy with your other deployment files. It holds no secret.
using './main.bicep'

param name = 'avidsync'
param storageSku = 'Standard_ZRS'
// az ad group show --group '<name of the group>' --query id --output tsv
param operatorPrincipalId = ''
param operatorPrincipalType = 'Group'
param tags = {
  workload: 'd365-avidxchange'
}
