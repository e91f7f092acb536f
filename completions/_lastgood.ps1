
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'lastgood' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'lastgood'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'lastgood' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Make a repository')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Make a snapshot of files and directories')
            [CompletionResult]::new('snapshots', 'snapshots', [CompletionResultType]::ParameterValue, 'List snapshots')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List snapshots')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List what is in a snapshot')
            [CompletionResult]::new('dump', 'dump', [CompletionResultType]::ParameterValue, 'Write the content of one file of a snapshot')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what the checkpoints and tensors are')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Put a snapshot, or a part of it, back')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Prove that the snapshots can be restored')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Prove that the snapshots can be restored')
            [CompletionResult]::new('stats', 'stats', [CompletionResultType]::ParameterValue, 'Show what the repository holds, and what it takes')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Print one object of the repository, decrypted')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Manage the passwords and key files that open the repository')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Show the version')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'lastgood;init' {
            [CompletionResult]::new('--kdf-memory', '--kdf-memory', [CompletionResultType]::ParameterName, 'Memory that each guess takes (default 64M)')
            [CompletionResult]::new('--kdf-passes', '--kdf-passes', [CompletionResultType]::ParameterName, 'How often each guess goes over that memory (default 3)')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;backup' {
            [CompletionResult]::new('--compression', '--compression', [CompletionResultType]::ParameterName, 'How hard to compress: `off` stores as it is, `auto` is fast, `max` is slow and somewhat smaller')
            [CompletionResult]::new('--delta', '--delta', [CompletionResultType]::ParameterName, 'Whether a tensor may be stored as its difference to the one of an earlier checkpoint: `off`, or `auto` where that wins')
            [CompletionResult]::new('--wait-complete', '--wait-complete', [CompletionResultType]::ParameterName, 'Wait so long for checkpoints that are still being written: 30s, 10min, 1h')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Tags of the snapshot; repeat, or separate with commas')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Label: snapshots of one host and label are a series')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host, instead of the name of this machine')
            [CompletionResult]::new('--time', '--time', [CompletionResultType]::ParameterName, 'Time of the snapshot, instead of now: 2026-08-20T14:00:00Z, "2026-08-20 14:00", "2h ago"')
            [CompletionResult]::new('--meta', '--meta', [CompletionResultType]::ParameterName, 'Something to remember, such as step=1000 or run=7f3a; may be repeated')
            [CompletionResult]::new('--metric', '--metric', [CompletionResultType]::ParameterName, 'A metric of what is backed up, such as eval_loss=0.31, for `last-good --best`; may be repeated')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Leave out what matches this pattern; may be repeated')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out what matches this pattern; may be repeated')
            [CompletionResult]::new('--exclude-file', '--exclude-file', [CompletionResultType]::ParameterName, 'Read such patterns from this file, one a line')
            [CompletionResult]::new('--exclude-if-present', '--exclude-if-present', [CompletionResultType]::ParameterName, 'Leave out the content of directories that hold a file of this name')
            [CompletionResult]::new('--exclude-larger-than', '--exclude-larger-than', [CompletionResultType]::ParameterName, 'Leave out files larger than this: 500, 10K or 10KiB (10,240), 10KB (10,000), 1.5G, 2TB')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--init', '--init', [CompletionResultType]::ParameterName, 'Make the repository if there is none')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be stored')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be stored')
            [CompletionResult]::new('--skip-if-unchanged', '--skip-if-unchanged', [CompletionResultType]::ParameterName, 'Make no snapshot if nothing changed since the last one')
            [CompletionResult]::new('--require-complete', '--require-complete', [CompletionResultType]::ParameterName, 'Make no snapshot if a newest checkpoint is not complete')
            [CompletionResult]::new('--exclude-caches', '--exclude-caches', [CompletionResultType]::ParameterName, 'Leave out the content of directories with a CACHEDIR.TAG')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Do not go into other file systems')
            [CompletionResult]::new('--one-file-system', '--one-file-system', [CompletionResultType]::ParameterName, 'Do not go into other file systems')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;snapshots' {
            [CompletionResult]::new('--latest', '--latest', [CompletionResultType]::ParameterName, 'Only the newest N of each host and label')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--good', '--good', [CompletionResultType]::ParameterName, 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;list' {
            [CompletionResult]::new('--latest', '--latest', [CompletionResultType]::ParameterName, 'Only the newest N of each host and label')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--good', '--good', [CompletionResultType]::ParameterName, 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;ls' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Show permissions, owner, size and time as well')
            [CompletionResult]::new('--long', '--long', [CompletionResultType]::ParameterName, 'Show permissions, owner, size and time as well')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'List directories in directories as well')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'List directories in directories as well')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;dump' {
            [CompletionResult]::new('--tensor', '--tensor', [CompletionResultType]::ParameterName, 'Only the bytes of this tensor, without any header')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to this file, which gets its name when it is whole; - is standard output, whatever that is')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to this file, which gets its name when it is whole; - is standard output, whatever that is')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;inspect' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'List the tensors; only those whose name matches GLOB')
            [CompletionResult]::new('--tensors', '--tensors', [CompletionResultType]::ParameterName, 'List the tensors; only those whose name matches GLOB')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--numbers', '--numbers', [CompletionResultType]::ParameterName, 'Read the files on disk, and count NaN and infinities')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;restore' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Directory to restore into; it is made if it is missing')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Directory to restore into; it is made if it is missing')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Only what matches this pattern; may be repeated')
            [CompletionResult]::new('--include', '--include', [CompletionResultType]::ParameterName, 'Only what matches this pattern; may be repeated')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Leave out what matches this pattern; may be repeated')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out what matches this pattern; may be repeated')
            [CompletionResult]::new('--overwrite', '--overwrite', [CompletionResultType]::ParameterName, 'What to do with files that are there')
            [CompletionResult]::new('--tensors', '--tensors', [CompletionResultType]::ParameterName, 'Only tensors with names that match this pattern, as safetensors; may be repeated')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--delete', '--delete', [CompletionResultType]::ParameterName, 'Remove what is in the restored directories and not in the snapshot')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Read every restored file again, and compare it')
            [CompletionResult]::new('--weights-only', '--weights-only', [CompletionResultType]::ParameterName, 'Leave out optimizer, scheduler, random numbers and other training state')
            [CompletionResult]::new('--flat', '--flat', [CompletionResultType]::ParameterName, 'Put files where the snapshot has symbolic links to them, as in a hub cache')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;verify' {
            [CompletionResult]::new('--read-data-subset', '--read-data-subset', [CompletionResultType]::ParameterName, 'Read only a part of the data: `n/t`, `x%` or a size')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--scrub', '--scrub', [CompletionResultType]::ParameterName, 'Read every object, and compare it with the hash in its name')
            [CompletionResult]::new('--read-data', '--read-data', [CompletionResultType]::ParameterName, 'Read, decrypt and decode all data')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;check' {
            [CompletionResult]::new('--read-data-subset', '--read-data-subset', [CompletionResultType]::ParameterName, 'Read only a part of the data: `n/t`, `x%` or a size')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--scrub', '--scrub', [CompletionResultType]::ParameterName, 'Read every object, and compare it with the hash in its name')
            [CompletionResult]::new('--read-data', '--read-data', [CompletionResultType]::ParameterName, 'Read, decrypt and decode all data')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;stats' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Only snapshots of this host; repeat for any of several')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Only snapshots with this label; repeat for any of several')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Only snapshots that were made of this path; repeat for all of several')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'Only snapshots at or before this time: `latest` is then the state at that time')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only snapshots before this time')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only snapshots after this time')
            [CompletionResult]::new('--before-step', '--before-step', [CompletionResultType]::ParameterName, 'With `last-good`: the newest whose newest checkpoint is of a step before this one')
            [CompletionResult]::new('--best', '--best', [CompletionResultType]::ParameterName, 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;cat' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the keys')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List the keys')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a password or a key file')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a key, but never the one that opened the repository just now')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove a key, but never the one that opened the repository just now')
            [CompletionResult]::new('passwd', 'passwd', [CompletionResultType]::ParameterValue, 'Replace the key that opened the repository just now by a new password or key file')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'lastgood;key;list' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;ls' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;add' {
            [CompletionResult]::new('--new-password-file', '--new-password-file', [CompletionResultType]::ParameterName, 'Read the new password from this file instead of asking for it')
            [CompletionResult]::new('--new-key-file', '--new-key-file', [CompletionResultType]::ParameterName, 'Let this key file open the repository, instead of a password')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'What `lastgood key list` shows as its label')
            [CompletionResult]::new('--kdf-memory', '--kdf-memory', [CompletionResultType]::ParameterName, 'Memory that each guess takes (default 64M)')
            [CompletionResult]::new('--kdf-passes', '--kdf-passes', [CompletionResultType]::ParameterName, 'How often each guess goes over that memory (default 3)')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;remove' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;rm' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;passwd' {
            [CompletionResult]::new('--new-password-file', '--new-password-file', [CompletionResultType]::ParameterName, 'Read the new password from this file instead of asking for it')
            [CompletionResult]::new('--new-key-file', '--new-key-file', [CompletionResultType]::ParameterName, 'Let this key file open the repository, instead of a password')
            [CompletionResult]::new('--kdf-memory', '--kdf-memory', [CompletionResultType]::ParameterName, 'Memory that each guess takes (default 64M)')
            [CompletionResult]::new('--kdf-passes', '--kdf-passes', [CompletionResultType]::ParameterName, 'How often each guess goes over that memory (default 3)')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;key;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the keys')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a password or a key file')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a key, but never the one that opened the repository just now')
            [CompletionResult]::new('passwd', 'passwd', [CompletionResultType]::ParameterValue, 'Replace the key that opened the repository just now by a new password or key file')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'lastgood;key;help;list' {
            break
        }
        'lastgood;key;help;add' {
            break
        }
        'lastgood;key;help;remove' {
            break
        }
        'lastgood;key;help;passwd' {
            break
        }
        'lastgood;key;help;help' {
            break
        }
        'lastgood;version' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('--repo', '--repo', [CompletionResultType]::ParameterName, 'The repository: the path of a folder')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'Read the password from this file')
            [CompletionResult]::new('--password-command', '--password-command', [CompletionResultType]::ParameterName, 'Read the password from the output of this command')
            [CompletionResult]::new('--key-file', '--key-file', [CompletionResultType]::ParameterName, 'Open the repository with this key file instead of a password')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write JSON, for programs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only problems and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lastgood;help' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Make a repository')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Make a snapshot of files and directories')
            [CompletionResult]::new('snapshots', 'snapshots', [CompletionResultType]::ParameterValue, 'List snapshots')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List what is in a snapshot')
            [CompletionResult]::new('dump', 'dump', [CompletionResultType]::ParameterValue, 'Write the content of one file of a snapshot')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what the checkpoints and tensors are')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Put a snapshot, or a part of it, back')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Prove that the snapshots can be restored')
            [CompletionResult]::new('stats', 'stats', [CompletionResultType]::ParameterValue, 'Show what the repository holds, and what it takes')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Print one object of the repository, decrypted')
            [CompletionResult]::new('key', 'key', [CompletionResultType]::ParameterValue, 'Manage the passwords and key files that open the repository')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Show the version')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'lastgood;help;init' {
            break
        }
        'lastgood;help;backup' {
            break
        }
        'lastgood;help;snapshots' {
            break
        }
        'lastgood;help;ls' {
            break
        }
        'lastgood;help;dump' {
            break
        }
        'lastgood;help;inspect' {
            break
        }
        'lastgood;help;restore' {
            break
        }
        'lastgood;help;verify' {
            break
        }
        'lastgood;help;stats' {
            break
        }
        'lastgood;help;cat' {
            break
        }
        'lastgood;help;key' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the keys')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a password or a key file')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a key, but never the one that opened the repository just now')
            [CompletionResult]::new('passwd', 'passwd', [CompletionResultType]::ParameterValue, 'Replace the key that opened the repository just now by a new password or key file')
            break
        }
        'lastgood;help;key;list' {
            break
        }
        'lastgood;help;key;add' {
            break
        }
        'lastgood;help;key;remove' {
            break
        }
        'lastgood;help;key;passwd' {
            break
        }
        'lastgood;help;version' {
            break
        }
        'lastgood;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
