print('plain')
