// they wait for programs and for time to pass, and hardly use a processor themselves
[assembly: CollectionBehavior(MaxParallelThreads = 16)]
