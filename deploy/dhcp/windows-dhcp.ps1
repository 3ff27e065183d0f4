# DHCP on Windows Server: hand out this resolver, and no other. Run in PowerShell as a member of DHCP Administrators.
# Where clients must ask the domain controllers first, give those here, and the resolver as their only forwarder.

$resolvers4 = @("192.0.2.53")      # a second node with the same policy may follow after a comma
$resolvers6 = @("2001:db8::53")    # empty if the server has no IPv6 scopes

# Scopes with resolvers of their own override the server's: show them, and remove the option there.
foreach ($scope in Get-DhcpServerv4Scope) {
    $own = Get-DhcpServerv4OptionValue -ScopeId $scope.ScopeId -OptionId 6 -ErrorAction SilentlyContinue
    if ($own) {
        Write-Output "$($scope.ScopeId) $($scope.Name) had $($own.Value -join ', ')"
        Remove-DhcpServerv4OptionValue -ScopeId $scope.ScopeId -OptionId 6
    }
}

# -Force: do not first ask the address as if it were a Windows DNS server.
Set-DhcpServerv4OptionValue -DnsServer $resolvers4 -Force
if ($resolvers6) {
    Set-DhcpServerv6OptionValue -DnsServer $resolvers6 -Force
}
Get-DhcpServerv4OptionValue -OptionId 6

# The scopes as a file for `dnsfilterctl range import --format windows`:
Get-DhcpServerv4Scope | Export-Csv -Path scopes.csv -NoTypeInformation -Encoding UTF8
